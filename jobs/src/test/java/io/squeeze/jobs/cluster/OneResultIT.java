package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.run.Summary;
import io.squeeze.jobs.train.TrainJob;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** One seed is one result, on however many threads and processes, and where one of them dies. */
@Timeout(300)
@Tag("cluster")
class OneResultIT {
  @TempDir static Path folder;
  private static Fixture fixture;

  @BeforeAll
  static void synthesize() throws IOException {
    fixture = new Fixture(folder, 60);
  }

  /** What a whole run leaves that must not depend on the cluster. */
  private record Trace(List<String> embeddings, byte[] last, byte[] best, String summary) {}

  private static Trace walk(String name, Supplier<SparkSession> start) throws IOException {
    try (SparkSession spark = start.get()) {
      Settings settings =
          fixture.settings("e-" + name, "train.shards = 11, output.experiment-name = " + name);
      Published published = new ExtractJob(Fixture.squeeze(spark), settings).run();
      String last = TrainJob.run(Fixture.squeeze(spark), settings);
      Summary summary =
          new EvaluateJob(Fixture.squeeze(spark), EvaluateJob.Request.of(last, "test")).score();
      return new Trace(
          // The rows, not the files: Parquet's footer lists encodings in an order of the JVM's own.
          published
              .read(spark)
              .selectExpr("sample_id", "sha2(embedding, 256)", "sha2(mask, 256)")
              .orderBy("sample_id")
              .collectAsList()
              .stream()
              .map(Row::mkString)
              .toList(),
          Files.readAllBytes(Path.of(last)),
          Files.readAllBytes(Path.of(last).resolveSibling("best.ckpt")),
          summary.json());
    }
  }

  @Test
  void oneSeedIsOneResultOnOneThreadOnTwoAndOnACluster() throws IOException {
    Trace one = walk("one", () -> Fixture.local("local[1]"));
    Trace two = walk("two", () -> Fixture.local("local[2]"));
    Trace cluster = walk("cluster", Fixture::cluster);
    for (Trace other : List.of(two, cluster)) {
      assertThat(other.embeddings()).isEqualTo(one.embeddings());
      assertThat(other.last()).isEqualTo(one.last());
      assertThat(other.best()).isEqualTo(one.best());
    }
    assertThat(two.summary()).isEqualTo(one.summary());
    assertThat(cluster.summary()).isEqualTo(one.summary());
  }

  @Test
  void anExecutorThatDiesInARoundChangesNothing() throws Exception {
    String more = "train.epochs = 4, train.shards = 5, output.experiment-name = ";
    Settings settings = fixture.settings("e-death", more + "death");
    Path metrics = folder.resolve("outputs/death/metrics.jsonl");
    try (SparkSession spark = Fixture.cluster()) {
      new ExtractJob(Fixture.squeeze(spark), settings).run();
      CompletableFuture<Boolean> killed =
          CompletableFuture.supplyAsync(() -> killAnExecutorOnce(metrics));
      TrainJob.run(Fixture.squeeze(spark), settings);
      assertThat(killed.get(10, TimeUnit.SECONDS)).isTrue();
    }
    try (SparkSession spark = Fixture.local("local[2]")) {
      Path other =
          Path.of(TrainJob.run(Fixture.squeeze(spark), fixture.settings("e-death", more + "life")));
      assertThat(folder.resolve("outputs/death/last.ckpt")).hasSameBinaryContentAs(other);
    }
  }

  /** Kills an executor's process once the first epoch is written. */
  private static boolean killAnExecutorOnce(Path metrics) {
    try {
      while (!Files.exists(metrics) || Files.size(metrics) == 0) {
        Thread.sleep(5);
      }
      return ProcessHandle.current()
          .descendants()
          .filter(Standalone::isExecutor)
          .findFirst()
          .orElseThrow()
          .destroyForcibly();
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
