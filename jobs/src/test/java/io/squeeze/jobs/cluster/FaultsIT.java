package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.spark.Versions.Published;
import io.squeeze.jobs.train.TrainJob;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What clusters do to jobs, done to real processes and disks: nothing in the code knows of it. */
@Timeout(300)
class FaultsIT {
  @TempDir static Path folder;
  private static Fixture fixture;
  private static List<Row> clean;
  private static byte[] trained;

  @BeforeAll
  static void undisturbed() throws IOException {
    fixture = new Fixture(folder, 60);
    try (SparkSession spark = Fixture.local("local[2]")) {
      clean = rows(spark, new ExtractJob(spark, settings("clean")).run());
      trained = Files.readAllBytes(Path.of(TrainJob.run(spark, settings("clean"))));
    }
  }

  private static Settings settings(String name) {
    return fixture.settings(
        "emb-" + name,
        "extract.rows-per-file = 5, train.shards = 3, output.experiment-name = " + name);
  }

  private static List<Row> rows(SparkSession spark, Published published) {
    return published
        .read(spark)
        .selectExpr("sample_id", "split", "sha2(embedding, 256)", "sha2(mask, 256)")
        .orderBy("sample_id")
        .collectAsList();
  }

  private static void stop(ProcessHandle process) throws Exception {
    assertThat(signal("STOP", process)).isZero();
  }

  /** Unless Spark has ended it meanwhile, which it may once it counts as lost. */
  private static void goOn(ProcessHandle process) throws Exception {
    signal("CONT", process);
  }

  private static int signal(String name, ProcessHandle process) throws Exception {
    return run("kill -" + name + " " + process.pid());
  }

  private static int run(String command) throws Exception {
    return new ProcessBuilder("sh", "-c", command).start().waitFor();
  }

  private static ProcessHandle executor() throws InterruptedException {
    while (true) {
      var found = ProcessHandle.current().descendants().filter(Standalone::isExecutor).findAny();
      if (found.isPresent()) {
        return found.get();
      }
      Thread.sleep(50);
    }
  }

  private static boolean hasRows(Path embeddings) throws IOException {
    if (!Files.exists(embeddings)) {
      return false;
    }
    try (Stream<Path> files = Files.walk(embeddings)) {
      return files.anyMatch(file -> file.toString().endsWith(".parquet"));
    } catch (java.io.UncheckedIOException e) {
      return false; // a file went while it was looked at
    }
  }

  /** Every row once, nothing unfinished: what is published is whole. */
  private static void assertWhole(SparkSession spark, String name, Published published)
      throws IOException {
    assertThat(rows(spark, published)).isEqualTo(clean);
    try (Stream<Path> files = Files.list(folder.resolve("emb-" + name))) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder("v1", "rejects", "metrics");
    }
  }

  /** A cluster that gives a silent executor up after seconds, not minutes. */
  private static SparkSession impatient() {
    return Fixture.clusterBuilder("local-cluster[2,1,1024]")
        .config("spark.network.timeout", "8s")
        .config("spark.network.timeoutInterval", "2s")
        .config("spark.executor.heartbeatInterval", "2s")
        .config("spark.storage.blockManagerHeartbeatTimeoutMs", "8000")
        .config("spark.speculation", "true")
        .getOrCreate();
  }

  @Test
  void anExecutorThatStandsStillIsOvertakenAndWhatItWritesLaterIsIgnored() throws Exception {
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try (SparkSession spark = impatient()) {
      Future<Published> job = thread.submit(() -> new ExtractJob(spark, settings("stopped")).run());
      Path embeddings = folder.resolve("emb-stopped");
      while (!hasRows(embeddings) && !job.isDone()) {
        Thread.sleep(10);
      }
      ProcessHandle stopped = executor();
      stop(stopped);
      Published published;
      try {
        published = job.get(120, TimeUnit.SECONDS);
      } finally {
        goOn(stopped);
      }
      Thread.sleep(3000); // what it had begun, it ends now
      assertWhole(spark, "stopped", published);
    } finally {
      thread.shutdownNow();
    }
  }

  @Test
  void anExecutorThatIsLostForAWhileCostsNothingButTime() throws Exception {
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try (SparkSession spark = impatient()) {
      new ExtractJob(spark, settings("lost")).run();
      Future<String> job = thread.submit(() -> TrainJob.run(spark, settings("lost")));
      Path metrics = folder.resolve("outputs/lost/metrics.jsonl");
      while (!(Files.exists(metrics) && Files.size(metrics) > 0) && !job.isDone()) {
        Thread.sleep(5);
      }
      ProcessHandle lost = executor();
      stop(lost);
      try {
        assertThat(Path.of(job.get(150, TimeUnit.SECONDS))).hasBinaryContent(trained);
      } finally {
        goOn(lost);
      }
    } finally {
      thread.shutdownNow();
    }
  }

  @Test
  void aTaskThatAlwaysEndsItsExecutorEndsTheJobAndPublishesNothing() throws Exception {
    long began = System.nanoTime();
    try (SparkSession spark =
        Fixture.clusterBuilder("local-cluster[2,1,1024]")
            .config("spark.deploy.maxExecutorRetries", "-1")
            .getOrCreate()) {
      new ExtractJob(spark, settings("halting")).run();
      Settings halting = settings("halting").with("train.loss", Halting.class.getName());
      assertThatThrownBy(() -> TrainJob.run(spark, halting))
          .hasMessageContaining("Job aborted due to stage failure");
      assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofMinutes(3));
      assertThat(folder.resolve("outputs/halting/last.ckpt")).doesNotExist();
      assertThat(folder.resolve("outputs/halting/_lock")).doesNotExist();
      // The same run with a loss that lives goes through.
      assertThat(Path.of(TrainJob.run(spark, settings("halting")))).hasBinaryContent(trained);
    }
  }

  @Test
  void aFullDiskCostsNoCheckpointThatWasWhole() throws Exception {
    Path disk = Files.createDirectory(folder.resolve("disk"));
    // The first epoch's two checkpoints find room, the second's do not.
    long bytes = 5L * trained.length / 2 + (12 << 10);
    assumeTrue(
        run("mount -t tmpfs -o size=" + bytes + " tmpfs " + disk) == 0,
        "No small disk can be mounted here");
    try (SparkSession spark = Fixture.local("local[2]")) {
      Settings full =
          settings("clean")
              .with(
                  ConfigFactory.parseMap(
                      Map.of("output.dir", disk.toString(), "track.tensorboard", false)));
      assertThatThrownBy(() -> TrainJob.run(spark, full))
          .rootCause()
          .hasMessageContaining("No space left on device");
      assertThat(Checkpoint.read(Storage.local(), disk + "/clean/last.ckpt").epoch()).isEqualTo(1);
      assertThat(run("mount -o remount,size=64m " + disk)).isZero();
      assertThat(Path.of(TrainJob.run(spark, full))).hasBinaryContent(trained);
    } finally {
      run("umount " + disk);
    }
  }
}
