package io.squeeze.jobs.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Outside;
import io.squeeze.jobs.cluster.Standalone;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.train.TrainJob;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * What clusters do to executors, done to real processes: nothing in the code knows of it. {@code
 * -Dfaults=all} does what takes long, too.
 */
@Timeout(300)
@Tag("cluster")
class ExecutorFaultsIT {
  @TempDir static Path folder;
  private static Fixture fixture;
  private static List<Row> clean;
  private static byte[] trained;
  private static SparkSession cluster;

  @BeforeAll
  static void undisturbed() throws IOException {
    fixture = new Fixture(folder, 60);
    try (SparkSession spark = Fixture.local("local[2]")) {
      clean = rows(spark, new ExtractJob(Fixture.squeeze(spark), settings("clean")).run());
      trained =
          Files.readAllBytes(Path.of(TrainJob.run(Fixture.squeeze(spark), settings("clean"))));
    }
    // It gives a silent executor up after seconds, not minutes, and replaces as many as end.
    cluster =
        FaultyFileSystem.on(Fixture.clusterBuilder("local-cluster[2,1,1024]"))
            .config("spark.network.timeout", "8s")
            .config("spark.network.timeoutInterval", "2s")
            .config("spark.executor.heartbeatInterval", "2s")
            .config("spark.storage.blockManagerHeartbeatTimeoutMs", "8000")
            .config("spark.speculation", "true")
            .config("spark.task.maxFailures", "2")
            .config("spark.deploy.maxExecutorRetries", "-1")
            .getOrCreate();
  }

  @AfterAll
  static void stop() {
    cluster.stop();
  }

  private static Settings settings(String name) {
    return fixture.settings(
        "emb-" + name,
        "extract.rows-per-file = 5, train.shards = 3, output.experiment-name = " + name);
  }

  /** A training of what the undisturbed extraction published. */
  private static Settings training(String name) {
    return settings(name).with("embeddings", folder.resolve("emb-clean").toString());
  }

  private static List<Row> rows(SparkSession spark, Published published) {
    return published
        .read(spark)
        .selectExpr("sample_id", "split", "sha2(embedding, 256)", "sha2(mask, 256)")
        .orderBy("sample_id")
        .collectAsList();
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

  /** Every row once, nothing unfinished: what is published is whole. */
  private static void assertWhole(String name, Published published) throws IOException {
    assertThat(rows(cluster, published)).isEqualTo(clean);
    try (Stream<Path> files = Files.list(folder.resolve("emb-" + name))) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder("v1", "rejects", "metrics");
    }
  }

  @Test
  @EnabledIfSystemProperty(named = "faults", matches = "all")
  void anExecutorThatStandsStillIsOvertakenAndWhatItWritesLaterIsIgnored() throws Exception {
    Path embeddings = folder.resolve("emb-stopped");
    Published published =
        withOneSent(
            "STOP",
            () -> new ExtractJob(Fixture.squeeze(cluster), settings("stopped")).run(),
            () -> Outside.holds(embeddings, ".parquet"));
    Thread.sleep(3000); // what it had begun, it ends now
    // That may be a file where no version grows any more.
    Fixture.gc(cluster, embeddings.toString(), 1, true).run();
    assertWhole("stopped", published);
  }

  @Test
  @EnabledIfSystemProperty(named = "faults", matches = "all")
  void anExecutorThatIsLostForAWhileCostsNothingButTime() throws Exception {
    assertTrainedWithOneSent("STOP", "lost");
  }

  @Test
  void anExecutorThatDiesInARoundChangesNothing() throws Exception {
    assertTrainedWithOneSent("KILL", "died");
  }

  /**
   * After the first epoch, an executor gets a signal: the bytes are those of an undisturbed run.
   */
  private static void assertTrainedWithOneSent(String signal, String name) throws Exception {
    Path metrics = folder.resolve("outputs/" + name + "/metrics.jsonl");
    String last =
        withOneSent(
            signal,
            () -> TrainJob.run(Fixture.squeeze(cluster), training(name)),
            () -> Files.exists(metrics) && Files.size(metrics) > 0);
    assertThat(Path.of(last)).hasBinaryContent(trained);
  }

  /** Does something; at a moment, an executor gets a signal. */
  private static <T> T withOneSent(String signal, Callable<T> work, Callable<Boolean> moment)
      throws Exception {
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try {
      Future<T> job = thread.submit(work);
      while (!moment.call() && !job.isDone()) {
        Thread.sleep(5);
      }
      ProcessHandle one = executor();
      assertThat(Outside.signal(signal, one)).isZero();
      assertThat(job.isDone()).isFalse();
      try {
        return job.get(150, TimeUnit.SECONDS);
      } finally {
        // Unless Spark has ended it meanwhile, which it may once it counts as lost.
        Outside.signal("CONT", one);
      }
    } finally {
      thread.shutdownNow();
    }
  }

  @Test
  void anExecutorThatEndsBehindItsRowsLeavesNoDoubles() throws Exception {
    Path mark = folder.resolve("ended");
    cluster.conf().set(Ending.AT, "close .*/split=.*[.]parquet");
    cluster.conf().set(Ending.MARK, mark.toString());
    try {
      Path embeddings = folder.resolve("emb-ending");
      Settings settings =
          settings("ending").with("embeddings", FaultyFileSystem.SCHEME + ":" + embeddings);
      Published published = new ExtractJob(Fixture.squeeze(cluster), settings).run();
      assertThat(mark).exists();
      // A slower attempt of the same task may write behind the version; gc removes that.
      Fixture.gc(cluster, embeddings.toString(), 1, true).run();
      assertWhole("ending", published);
    } finally {
      cluster.conf().unset(Ending.AT);
    }
  }

  @Test
  @EnabledIfSystemProperty(named = "faults", matches = "all")
  void aTaskThatAlwaysEndsItsExecutorEndsTheJobAndPublishesNothing() throws Exception {
    long began = System.nanoTime();
    Settings single = training("halting").with("train.shards", "1");
    Settings halting = single.with("train.loss", Halting.class.getName());
    assertThatThrownBy(() -> TrainJob.run(Fixture.squeeze(cluster), halting))
        .hasMessageContaining("Job aborted due to stage failure");
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofMinutes(3));
    assertThat(folder.resolve("outputs/halting/last.ckpt")).doesNotExist();
    assertThat(folder.resolve("outputs/halting/_lock")).doesNotExist();
    // So does one whose failure cannot even be sent; the session lives on.
    Settings unsendable = single.with("train.loss", Unsendable.class.getName());
    assertThatThrownBy(() -> TrainJob.run(Fixture.squeeze(cluster), unsendable))
        .hasMessageContaining("It holds a thread");
    // The same run with a loss that lives goes through.
    assertThat(Path.of(TrainJob.run(Fixture.squeeze(cluster), training("halting"))))
        .hasBinaryContent(trained);
  }
}
