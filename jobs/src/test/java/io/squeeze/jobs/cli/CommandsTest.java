package io.squeeze.jobs.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.jobs.Command;
import io.squeeze.jobs.TinyBackbone;
import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The commands in this JVM: what they write, what they say, how they end. */
@Timeout(200)
class CommandsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir static Path home;

  @BeforeAll
  static void synthesize() throws Exception {
    TinyBackbone.write(home.resolve("tiny.pt"), 1);
    assertThat(Command.run("synthesize", "--out", at("shapes"), "--count", "36").code()).isZero();
    Command extracted =
        Command.run(
            "extract",
            "--model",
            at("tiny.pt"),
            "--data-path=" + at("shapes"),
            "--embeddings",
            at("emb"));
    assertThat(extracted.code()).as(extracted.err()).isZero();
    assertThat(extracted.err()).contains("{test=12, trainval=24} rows");
  }

  private static String at(String path) {
    return home.resolve(path).toString();
  }

  private static String[] train(String command, String name, String... more) {
    List<String> args = new ArrayList<>(List.of(command, "--embeddings", at("emb")));
    args.addAll(List.of("--epochs", "2", "--lr", "1e-3", "--shards", "2"));
    args.addAll(List.of("--output_dir", at("outputs"), "--experiment_name", name));
    args.addAll(List.of(more));
    return args.toArray(String[]::new);
  }

  @Test
  void theWholeWalk() throws Exception {
    Command vq = Command.run(train("train", "vq", "--codebook_size", "32", "--use_clearml"));
    assertThat(vq.code()).as(vq.err()).isZero();
    assertThat(vq.err())
        .contains("epoch 2/2  train loss", "images/s")
        .contains("WARN ClearML: api_key is not set in ", "the run goes on without ClearML")
        .doesNotContain(" INFO ");
    Command none = Command.run(train("baseline", "none"));
    assertThat(none.code()).as(none.err()).isZero();

    Command evaluated =
        Command.run(
            "evaluate",
            "--checkpoint",
            at("outputs/vq/last.ckpt"),
            "--baseline_checkpoint",
            at("outputs/none/last.ckpt"));
    assertThat(evaluated.code()).as(evaluated.err()).isZero();
    assertThat(evaluated.out()).contains("Split test, 12 samples", "codes used");
    Path summary = home.resolve("outputs/vq/evaluation/test/summary.json");
    JsonNode json = JSON.readTree(Files.readString(summary));
    assertThat(json.fieldNames())
        .toIterable()
        .containsExactly(
            "samples",
            "miou",
            "class_iou",
            "mean_sample_iou",
            "pixel_accuracy",
            "precision",
            "recall",
            "f1",
            "bits_per_vector",
            "compression",
            "compression_of_stored",
            "bytes",
            "bytes_per_sample",
            "codebook",
            "kept",
            "reference",
            "baseline");
    assertThat(json.at("/samples").asInt()).isEqualTo(12);
    assertThat(json.at("/bits_per_vector").asInt()).isEqualTo(5);
    assertThat(json.at("/compression/nominal").asDouble()).isEqualTo(24 * 32 / 5.0);
    assertThat(json.at("/codebook/levels/0/size").asInt()).isEqualTo(32);
    assertThat(json.at("/baseline/compression/nominal").asInt()).isEqualTo(1);
    double sum = 0;
    for (JsonNode iou : json.get("class_iou")) {
      sum += iou.asDouble();
    }
    assertThat(json.at("/miou").asDouble())
        .isPositive()
        .isCloseTo(sum / json.get("class_iou").size(), within(1e-12));
    List<String> metrics = Files.readAllLines(home.resolve("outputs/vq/metrics.jsonl"));
    assertThat(metrics).hasSize(2);
    assertThat(JSON.readTree(metrics.get(1)).has("val/loss")).isTrue();
    assertThat(JSON.readTree(metrics.get(1)).at("/train~1codes_used").asInt()).isBetween(2, 32);

    String checkpoint = at("outputs/vq/last.ckpt");
    Command encoded =
        Command.run(
            "encode",
            "--embeddings",
            at("emb"),
            "--checkpoint",
            checkpoint,
            "--codes",
            at("codes"));
    assertThat(encoded.code()).as(encoded.err()).isZero();
    assertThat(encoded.out()).contains("of embeddings", "Codes: ");
    Command queried =
        Command.run(
            "query",
            "--workspace",
            home.toString(),
            "--format",
            "csv",
            "--sql",
            "SELECT count(*) AS n, sum(size(decode_codes(codes, '%s'))) AS m FROM codes"
                .formatted(at("codes")));
    assertThat(queried.code()).as(queried.err()).isZero();
    assertThat(queried.out().lines()).containsExactly("n,m", "36," + 36 * 196 * 24);
    Command decoded = Command.run("decode", "--codes", at("codes"), "--embeddings", at("decoded"));
    assertThat(decoded.code()).as(decoded.err()).isZero();

    Command drawn =
        Command.run(
            "visualize",
            "--vq_checkpoint",
            at("outputs/vq/last.ckpt"),
            "--baseline_checkpoint",
            at("outputs/none/last.ckpt"),
            "--n_best",
            "0",
            "--n_worst",
            "50",
            "--model",
            "vit",
            "--set",
            "visualize.dir=" + at("visualizations"));
    assertThat(drawn.code()).as(drawn.err()).isZero();
    assertThat(drawn.err()).contains("No picture of the best results: n_best is 0");
    BufferedImage worst =
        ImageIO.read(home.resolve("visualizations/vq/worst_results_test.png").toFile());
    assertThat(worst.getHeight()).isEqualTo(92 + 12 * (224 + 26) + 16);
    assertThat(home.resolve("visualizations/vq/best_results_test.png")).doesNotExist();
  }

  @Test
  void exitCodesAndLastLinesAreTheDocumentedOnes() throws Exception {
    assertEnds(Command.run("train", "--epoch", "3"), 2, "Unknown option");
    assertEnds(Command.run("polish"), 2, "polish");
    assertEnds(Command.run("evaluate"), 2, "--checkpoint");
    Command configuration =
        Command.run("train", "--codebook_size", "1", "--set", "train.optimiser=sgd");
    assertThat(configuration.code()).isEqualTo(3);
    assertThat(configuration.lastLine())
        .startsWith("ERROR Invalid configuration (2 problems): ")
        .contains("quantizer.codebook-size: 1 is not in [2, 16777216]")
        .contains("train.optimiser: unknown key", "; ");
    assertEnds(Command.run("train", "--unfreeze_last_layer"), 3, "is not offered");
    // What a file includes lies beside it; a mark of UTF-8 is no part of it.
    Files.writeString(home.resolve("all.conf"), "\uFEFFinclude \"half.conf\"\ntrain.lr = fast\n");
    Files.writeString(home.resolve("half.conf"), "image.max-bytes = 3parsecs\n");
    Command included = Command.run("train", "--config", at("all.conf"));
    assertThat(included.code()).isEqualTo(3);
    assertThat(included.err())
        .contains("image.max-bytes: cannot read 3parsecs", "train.lr: cannot read fast");
    Files.writeString(home.resolve("loop.conf"), "include \"loop.conf\"\n");
    assertEnds(Command.run("train", "--config", at("loop.conf")), 3, "include statements nested");
    Files.writeString(home.resolve("unset.conf"), "model = ${NOT_SET_ANYWHERE}\n");
    assertEnds(Command.run("train", "--config", at("unset.conf")), 3, "${NOT_SET_ANYWHERE}");
    System.setProperty("spark.task.resource.gpu.amount", "1");
    try {
      assertEnds(Command.run("extract", "--data_path", at("shapes")), 3, "schedules no GPUs");
    } finally {
      System.clearProperty("spark.task.resource.gpu.amount");
    }
    assertEnds(Command.run("extract", "--data_path", "nowhere"), 4, "No Oxford-IIIT Pet data");
    assertEnds(Command.run("query", "--sql", "SELEC 1"), 2, "query without --sql lists the views");
    assertEnds(Command.run("evaluate", "--checkpoint", "no.ckpt"), 4, "No checkpoint at no.ckpt");
  }

  private static void assertEnds(Command run, int code, String cause) {
    assertThat(run.code()).as(run.err()).isEqualTo(code);
    assertThat(run.lastLine()).startsWith("ERROR ").contains(cause);
  }

  @Test
  void helpTeaches() throws Exception {
    Command all = Command.run("--help");
    assertThat(all.code()).isZero();
    assertThat(all.out())
        .contains("synthesize", "extract", "train", "baseline", "evaluate", "visualize")
        .contains("Exit codes: 0 done");
    Command train = Command.run("train", "--help");
    assertThat(train.code()).isZero();
    assertThat(train.out()).contains("--codebook_size=N", "unset: 512", "submit/squeeze train");
  }
}
