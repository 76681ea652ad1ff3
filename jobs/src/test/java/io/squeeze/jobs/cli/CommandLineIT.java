package io.squeeze.jobs.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.jobs.Submit;
import io.squeeze.jobs.TinyBackbone;
import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** submit/squeeze as a user runs it: a process of its own, from a folder with an awkward name. */
@Timeout(300)
class CommandLineIT {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir static Path folder;
  private static Path home;

  @BeforeAll
  static void synthesize() throws Exception {
    home = Files.createDirectory(folder.resolve("my [new] work"));
    TinyBackbone.write(home.resolve("tiny.pt"), 1);
    assertThat(squeeze("synthesize", "--out", "shapes", "--count", "36").code()).isZero();
    // Two executors in folders of their own: relative paths must mean the user's.
    Run extracted =
        squeeze(
            "--master",
            "local-cluster[2,1,2048]",
            "--conf",
            "spark.executor.memory=1g",
            "extract",
            "--model",
            "tiny.pt",
            "--data-path=shapes",
            "--embeddings",
            "emb");
    assertThat(extracted.code()).as(extracted.err()).isZero();
  }

  /** What a process answered. */
  private record Run(int code, String out, String err) {
    String lastLine() {
      List<String> lines = err.lines().toList();
      return lines.isEmpty() ? "" : lines.get(lines.size() - 1);
    }
  }

  private static ProcessBuilder process(String... args) {
    return Submit.squeeze(home, List.of(args));
  }

  private static Run squeeze(String... args) throws Exception {
    Path out = Files.createTempFile(folder, "out", "");
    Path err = Files.createTempFile(folder, "err", "");
    Process process =
        process(args).redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    assertThat(process.waitFor(200, TimeUnit.SECONDS)).isTrue();
    return new Run(process.exitValue(), Files.readString(out), Files.readString(err));
  }

  private static String[] train(String command, String name, String... more) {
    List<String> args =
        new ArrayList<>(
            List.of("--master", "local[2]", command, "--embeddings", "emb", "--epochs", "2"));
    args.addAll(List.of("--lr", "1e-3", "--shards", "2", "--experiment_name", name));
    args.addAll(List.of(more));
    return args.toArray(String[]::new);
  }

  @Test
  void theWholeWalk() throws Exception {
    Run vq = squeeze(train("train", "vq", "--codebook_size", "32", "--use_clearml"));
    assertThat(vq.code()).as(vq.err()).isZero();
    assertThat(vq.err())
        .contains("epoch 2/2  train loss", "images/s")
        .contains("WARN ClearML: api_key is not set in ", "the run goes on without it")
        .doesNotContain(" INFO ");
    Run none = squeeze(train("baseline", "none"));
    assertThat(none.code()).as(none.err()).isZero();

    Run evaluated =
        squeeze(
            "evaluate",
            "--checkpoint",
            "outputs/vq/last.ckpt",
            "--baseline_checkpoint",
            "outputs/none/last.ckpt");
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

    String checkpoint = "outputs/vq/last.ckpt";
    Run encoded =
        squeeze("encode", "--embeddings", "emb", "--checkpoint", checkpoint, "--codes", "codes");
    assertThat(encoded.code()).as(encoded.err()).isZero();
    assertThat(encoded.out()).contains("of embeddings", "Codes: ");
    Run queried =
        squeeze(
            "query",
            "--format",
            "csv",
            "--sql",
            "SELECT count(*) AS n, sum(size(decode_codes(codes, 'codes'))) AS m FROM codes");
    assertThat(queried.code()).as(queried.err()).isZero();
    assertThat(queried.out().lines()).containsExactly("n,m", "36," + 36 * 196 * 24);
    Run decoded = squeeze("decode", "--codes", "codes", "--embeddings", "decoded");
    assertThat(decoded.code()).as(decoded.err()).isZero();

    Run drawn =
        squeeze(
            "visualize",
            "--vq_checkpoint",
            "outputs/vq/last.ckpt",
            "--baseline_checkpoint",
            "outputs/none/last.ckpt",
            "--n_best",
            "0",
            "--n_worst",
            "50",
            "--model",
            "vit");
    assertThat(drawn.code()).as(drawn.err()).isZero();
    assertThat(drawn.err()).contains("No picture of the best results: n_best is 0");
    BufferedImage worst =
        ImageIO.read(home.resolve("visualizations/vq/worst_results_test.png").toFile());
    assertThat(worst.getHeight()).isEqualTo(92 + 12 * (224 + 26) + 16);
    assertThat(home.resolve("visualizations/vq/best_results_test.png")).doesNotExist();
  }

  @Test
  void aKilledTrainingGoesOnToTheBytesOfAnUndisturbedOne() throws Exception {
    String[] args = train("train", "killed", "--codebook_size", "16");
    args[6] = "6";
    Path err = folder.resolve("killed.err");
    Process process =
        process(args)
            .redirectError(err.toFile())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    while (!Files.readString(err).contains("epoch 2/6") && process.isAlive()) {
      Thread.sleep(20);
    }
    process.destroyForcibly().waitFor();
    Path last = home.resolve("outputs/killed/last.ckpt");
    String[] more = Arrays.copyOf(args, args.length + 1);
    more[args.length] = "--resume";
    Run again = squeeze(more);
    assertThat(again.code()).as(again.err()).isZero();
    assertThat(again.err())
        .containsPattern("Going on after epoch [2-5] of 6")
        .doesNotContain("epoch 1/6");
    Run other = squeeze("train", "--embeddings", "emb", "--experiment_name", "killed", "--lr", "9");
    assertEnds(other, 3, "train.lr: is 1e-3, asked for 9");
    args[args.length - 3] = "undisturbed";
    assertThat(squeeze(args).code()).isZero();
    Path undisturbed = home.resolve("outputs/undisturbed");
    assertThat(last).hasSameBinaryContentAs(undisturbed.resolve("last.ckpt"));
    assertThat(last.resolveSibling("best.ckpt"))
        .hasSameBinaryContentAs(undisturbed.resolve("best.ckpt"));
  }

  @Test
  void aKilledExtractionLeavesNothingThatCountsAsEmbeddings() throws Exception {
    Path err = folder.resolve("extract.err");
    String[] args = {
      "extract", "--model", "tiny.pt", "--data_path", "shapes", "--embeddings", "cut"
    };
    Process process = process(args).redirectError(err.toFile()).start();
    while (!Files.readString(err).contains("Extracting 36 images") && process.isAlive()) {
      Thread.sleep(5);
    }
    process.destroyForcibly().waitFor();
    assertThat(home.resolve("cut/v1/_manifest.json")).doesNotExist();
    Run again = squeeze(args);
    assertThat(again.code()).as(again.err()).isZero();
    assertThat(again.out()).contains("/my [new] work/cut/v");
    assertThat(again.err()).contains("{test=12, trainval=24} rows");
  }

  @Test
  void exitCodesAndLastLinesAreTheDocumentedOnes() throws Exception {
    assertEnds(squeeze("train", "--epoch", "3"), 2, "Unknown option");
    assertEnds(squeeze("polish"), 2, "polish");
    assertEnds(squeeze("evaluate"), 2, "--checkpoint");
    Run configuration = squeeze("train", "--codebook_size", "1", "--set", "train.optimiser=sgd");
    assertThat(configuration.code()).isEqualTo(3);
    assertThat(configuration.err())
        .contains(
            "Invalid configuration (2 problems):",
            "quantizer.codebook-size: 1 is not in [2, 16777216]",
            "train.optimiser: unknown key");
    assertEnds(squeeze("train", "--unfreeze_last_layer"), 3, "is not offered");
    // What a file includes lies beside it; a mark of UTF-8 is no part of it.
    Files.writeString(home.resolve("all.conf"), "\uFEFFinclude \"half.conf\"\ntrain.lr = fast\n");
    Files.writeString(home.resolve("half.conf"), "image.max-bytes = 3parsecs\n");
    Run included = squeeze("train", "--config", "all.conf");
    assertThat(included.code()).isEqualTo(3);
    assertThat(included.err())
        .contains("image.max-bytes: cannot read 3parsecs", "train.lr: cannot read fast");
    Files.writeString(home.resolve("loop.conf"), "include \"loop.conf\"\n");
    assertEnds(squeeze("train", "--config", "loop.conf"), 3, "include statements nested");
    Files.writeString(home.resolve("unset.conf"), "model = ${NOT_SET_ANYWHERE}\n");
    assertEnds(squeeze("train", "--config", "unset.conf"), 3, "${NOT_SET_ANYWHERE}");
    assertEnds(
        squeeze("--conf", "spark.task.resource.gpu.amount=1", "extract", "--data_path", "shapes"),
        3,
        "schedules no GPUs");
    assertEnds(squeeze("extract", "--data_path", "nowhere"), 4, "No Oxford-IIIT Pet data");
    assertEnds(squeeze("query", "--sql", "SELEC 1"), 2, "query without --sql lists the views");
    assertEnds(squeeze("evaluate", "--checkpoint", "no.ckpt"), 4, "No checkpoint at no.ckpt");
  }

  private static void assertEnds(Run run, int code, String cause) {
    assertThat(run.code()).as(run.err()).isEqualTo(code);
    assertThat(run.lastLine()).startsWith("ERROR ").contains(cause);
  }

  @Test
  void helpTeaches() throws Exception {
    Run all = squeeze("--help");
    assertThat(all.code()).isZero();
    assertThat(all.out())
        .contains("synthesize", "extract", "train", "baseline", "evaluate", "visualize")
        .contains("Exit codes: 0 done");
    Run train = squeeze("train", "--help");
    assertThat(train.code()).isZero();
    assertThat(train.out()).contains("--codebook_size=N", "unset: 512", "submit/squeeze train");
  }
}
