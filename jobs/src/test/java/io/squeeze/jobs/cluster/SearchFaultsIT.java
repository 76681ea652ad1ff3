package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Outside;
import io.squeeze.jobs.dedup.DedupJob;
import io.squeeze.jobs.dedup.DedupSource;
import io.squeeze.jobs.encode.EncodeVectorsJob;
import io.squeeze.jobs.model.BadRows;
import io.squeeze.jobs.model.SourceVectors.Named;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.search.CodeSearch;
import io.squeeze.jobs.search.IndexJob;
import io.squeeze.jobs.search.SearchJob;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.train.FitVectorsJob;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.commons.io.FileUtils;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Index, search and near-duplicates on two executors of which one dies in each, and on none. */
@Timeout(300)
@Tag("cluster")
class SearchFaultsIT {
  private static final BadRows BAD_ROWS = BadRows.of(Settings.defaults().data());

  @TempDir static Path folder;

  private static String at(String name) {
    return folder.resolve(name).toString();
  }

  private static void write(SparkSession spark) {
    List<Row> rows =
        IntStream.range(0, 3000)
            .mapToObj(
                i -> {
                  SplittableRandom random = Seeds.random(i % 1500, "row");
                  float[] vector = new float[16];
                  for (int j = 0; j < vector.length; j++) {
                    vector[j] = (float) (Seeds.gaussian(random) + (i < 1500 ? 0 : 0.01 * j));
                  }
                  return RowFactory.create("r%05d".formatted(i), vector);
                })
            .toList();
    StructType schema =
        new StructType()
            .add("id", DataTypes.StringType, false)
            .add("v", DataTypes.createArrayType(DataTypes.FloatType, false), false);
    spark.createDataFrame(rows, schema).repartition(4).write().parquet(at("table"));
  }

  private static VectorTable table(SqueezeSession session) throws IOException {
    return VectorTable.open(session, at("table"), "v", "id", BAD_ROWS);
  }

  /** What the three leave, in a folder of their own beside a copy of the codes. */
  private record Trace(List<String> index, List<String> found, List<String> duplicates) {}

  private static Trace trace(SparkSession spark, String name, boolean kills) throws Exception {
    SqueezeSession session = Fixture.squeeze(spark);
    Path codes = folder.resolve(name);
    FileUtils.copyDirectory(folder.resolve("codes/v1").toFile(), codes.resolve("v1").toFile());
    Published index =
        killing(
            kills,
            codes.resolve("index"),
            () -> new IndexJob(session, codes.toString(), null, 42).run());
    Path found = folder.resolve("_fresh.found-" + name);
    killing(
        kills,
        found,
        () ->
            new SearchJob(
                    session,
                    new SearchJob.Request(
                        codes.toString(),
                        new Named(at("table"), "--queries", "v", "id"),
                        new CodeSearch.Request(5, 3, null),
                        null,
                        0,
                        at("found-" + name)))
                .run(BAD_ROWS));
    killing(
        kills,
        folder.resolve("_fresh.twins-" + name),
        () ->
            new DedupJob(
                    session,
                    new DedupJob.Request(DedupJob.Metric.COSINE, 0.98, at("twins-" + name), 42))
                .run(DedupSource.table(session, table(session), "id", null)));
    return new Trace(
        lines(index.indexed(spark), "list, sample_id"),
        lines(spark.read().parquet(at("found-" + name)), "query_id, rank"),
        lines(spark.read().parquet(at("twins-" + name)), "id"));
  }

  private static List<String> lines(org.apache.spark.sql.Dataset<Row> rows, String order) {
    return rows
        .orderBy(
            java.util.Arrays.stream(order.split(", "))
                .map(org.apache.spark.sql.functions::col)
                .toArray(org.apache.spark.sql.Column[]::new))
        .collectAsList()
        .stream()
        .map(Row::toString)
        .toList();
  }

  /** Does something; an executor is killed once a file appears. */
  private static <T> T killing(boolean kills, Path file, Callable<T> work) throws Exception {
    CompletableFuture<Boolean> killed =
        kills
            ? CompletableFuture.supplyAsync(() -> killOneAt(file))
            : CompletableFuture.completedFuture(true);
    T result = work.call();
    assertThat(killed.get(10, TimeUnit.SECONDS)).isTrue();
    return result;
  }

  private static Optional<ProcessHandle> executor() {
    return ProcessHandle.current().descendants().filter(Standalone::isExecutor).findFirst();
  }

  private static boolean killOneAt(Path file) {
    try {
      while (!Files.exists(file)) {
        Thread.sleep(5);
      }
      Optional<ProcessHandle> executor = executor();
      while (executor.isEmpty()) {
        Thread.sleep(5);
        executor = executor();
      }
      return Outside.signal("KILL", executor.get()) == 0;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void oneResultOnOneThreadAndOnAClusterWhoseExecutorsDie() throws Exception {
    Trace expected;
    try (SparkSession spark = Fixture.local("local[1]")) {
      SqueezeSession session = Fixture.squeeze(spark);
      write(spark);
      Settings settings =
          Settings.load(
              List.of(
                  ConfigFactory.parseString(
                      """
                      quantizer { type = rvq, codebook-size = 32, num-quantizers = 3, bottleneck-dim = 8 }
                      train.head = none, track.tensorboard = false
                      output { dir = "%s", experiment-name = fit }
                      """
                          .formatted(folder))));
      String checkpoint = new FitVectorsJob(session, table(session), settings).run();
      new EncodeVectorsJob(
              session,
              table(session),
              TrainedQuantizer.open(session.storage(), at("codes"), checkpoint, null),
              Coding.ARRAY)
          .run();
      expected = trace(spark, "one", false);
    }
    assertThat(expected.index()).hasSize(3000);
    assertThat(expected.found()).hasSize(15_000);
    assertThat(expected.duplicates()).hasSize(3000);
    assertThat(expected.duplicates().stream().filter(row -> row.contains("false"))).hasSize(1500);
    try (SparkSession spark = Fixture.cluster()) {
      assertThat(trace(spark, "two", true)).isEqualTo(expected);
    }
  }
}
