package io.squeeze.jobs.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.jobs.Command;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.Submit;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.spark.Sessions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * Processes that are killed while rows are half written, and between checkpoints. With {@code
 * -Dfaults=all}; {@code -Dkills=30} kills that often.
 */
@Timeout(3000)
@Tag("cluster")
@EnabledIfSystemProperty(named = "faults", matches = "all")
class KillsIT {
  private static final int KILLS = Integer.getInteger("kills", 2);

  @TempDir static Path folder;
  private static Fixture fixture;
  private static final Random RANDOM = new Random(11);

  @BeforeAll
  static void photos() throws IOException {
    fixture = new Fixture(folder, 36);
  }

  /** A training that extracts first, in files of four rows. */
  private static List<String> train(String name) {
    List<String> words = new ArrayList<>(List.of("train", "--model", "" + fixture.backbone()));
    words.addAll(List.of("--data_path", "" + fixture.photos()));
    words.addAll(List.of("--embeddings", folder.resolve("emb-" + name).toString()));
    words.addAll(List.of("--extract_batch_size", "1", "--set", "extract.rows-per-file=4"));
    words.addAll(List.of("--output_dir", folder.resolve("outputs").toString()));
    words.addAll(List.of("--experiment_name", name, "--shards", "2", "--lr", "1e-3"));
    words.addAll(List.of("--epochs", "" + (4 + 6 * KILLS), "--codebook_size", "16"));
    words.addAll(List.of("--set", "track.tensorboard=false", "--set", "train.patience=null"));
    return words;
  }

  /** Starts a command and kills it some milliseconds after a moment; whether it still ran. */
  private static boolean killed(List<String> words, Callable<Boolean> moment) throws Exception {
    List<String> all = new ArrayList<>(List.of("--master", "local[2]"));
    all.addAll(words);
    Process process =
        Submit.squeeze(folder, all)
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("log").toFile())
            .start();
    while (process.isAlive() && !moment.call()) {
      Thread.sleep(2);
    }
    Thread.sleep(RANDOM.nextInt(150));
    boolean ran = process.isAlive();
    process.destroyForcibly().waitFor();
    return ran;
  }

  private static void run(List<String> words) {
    Command command = Command.run(words.toArray(String[]::new));
    assertThat(command.code()).as(command.err()).isZero();
  }

  /** Data files below a folder; others may write there. */
  private static long files(Path below) {
    if (!Files.exists(below)) {
      return 0;
    }
    try (Stream<Path> files = Files.walk(below)) {
      return files.filter(file -> file.toString().matches(".*split=.*[.]parquet")).count();
    } catch (IOException | UncheckedIOException e) {
      return 0; // a file went while it was looked at
    }
  }

  private static List<Row> rows(String embeddings) throws IOException {
    SparkSession spark = Shared.session();
    return Versions.embeddings(Sessions.storage(spark), folder.resolve(embeddings).toString())
        .read(spark)
        .selectExpr("sample_id", "split", "sha2(embedding || mask, 256)")
        .orderBy("sample_id")
        .collectAsList();
  }

  private static long length(Path file) throws IOException {
    return Files.exists(file) ? Files.size(file) : 0;
  }

  @Test
  void extractionAndTrainingEndInTheBytesOfUndisturbedRuns() throws Exception {
    Path embeddings = folder.resolve("emb-cut");
    Path metrics = folder.resolve("outputs/cut/metrics.jsonl");
    int hit = 0;
    for (int i = 0; i < KILLS; i++) {
      boolean extracting = i % 2 == 0;
      long before = extracting ? files(embeddings) : length(metrics);
      Callable<Boolean> moment = () -> (extracting ? files(embeddings) : length(metrics)) > before;
      hit += killed(train("cut"), moment) ? 1 : 0;
    }
    assertThat(hit).isPositive();
    run(train("cut"));
    run(train("whole"));
    assertThat(rows("emb-cut")).isEqualTo(rows("emb-whole"));
    for (String checkpoint : List.of("last.ckpt", "best.ckpt")) {
      assertThat(folder.resolve("outputs/cut").resolve(checkpoint))
          .hasSameBinaryContentAs(folder.resolve("outputs/whole").resolve(checkpoint));
    }
  }
}
