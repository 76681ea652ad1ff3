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
import java.util.function.Supplier;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** One seed is one result, on however many threads and processes. */
@Timeout(300)
@Tag("cluster")
class OneResultIT {
  @TempDir static Path folder;
  private static Fixture fixture;

  @BeforeAll
  static void synthesize() throws IOException {
    fixture = new Fixture(folder, 36);
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
}
