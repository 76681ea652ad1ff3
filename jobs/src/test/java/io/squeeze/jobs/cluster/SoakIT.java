package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Outside;
import io.squeeze.jobs.encode.EncodeJob;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.train.TrainJob;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.Success$;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * Walks again and again in one application of two executors, one of which is killed every now and
 * then, for {@code -Dsoak.minutes}; prints a line a walk.
 */
@EnabledIfSystemProperty(named = "soak.minutes", matches = "[0-9]+")
@SuppressWarnings("SystemOut") // its lines are what it is for
@Tag("cluster")
class SoakIT {
  private static final long FEWEST_MILLIS = 10_000;
  private static final int MORE_MILLIS = 20_000;

  @TempDir Path folder;

  @Test
  void everyWalkGivesTheBytesOfTheFirst() throws Exception {
    long end = System.nanoTime() + Duration.ofMinutes(Long.getLong("soak.minutes")).toNanos();
    Fixture fixture = new Fixture(folder, 60);
    AtomicInteger retries = new AtomicInteger();
    AtomicInteger kills = new AtomicInteger();
    try (SparkSession spark =
        Fixture.clusterBuilder("local-cluster[2,1,1024]")
            .config("spark.deploy.maxExecutorRetries", "-1")
            .getOrCreate()) {
      spark.sparkContext().addSparkListener(new Failures(retries));
      Thread killer = new Thread(() -> kill(kills), "killer");
      killer.setDaemon(true);
      killer.start();
      String first = null;
      for (int walk = 1; System.nanoTime() < end; walk++) {
        long began = System.nanoTime();
        String bytes = walk(spark, fixture, folder, walk);
        first = first == null ? bytes : first;
        assertThat(bytes).isEqualTo(first);
        System.gc();
        Runtime heap = Runtime.getRuntime();
        System.out.printf(
            Locale.ROOT,
            "walk %d: %.0f s, %d kills, %d failed tasks, heap %d MB, resident %d MB%n",
            walk,
            (System.nanoTime() - began) / 1e9,
            kills.get(),
            retries.get(),
            (heap.totalMemory() - heap.freeMemory()) >> 20,
            Outside.resident() >> 10);
      }
    }
  }

  /** What a walk gave: digest of checkpoint and summary. */
  private static String walk(SparkSession spark, Fixture fixture, Path folder, int walk)
      throws Exception {
    String own =
        "output.experiment-name = soak, output.dir = \"" + folder.resolve("o" + walk) + "\"";
    Settings settings = fixture.settings("e" + walk, "train { epochs = 3, shards = 3 }, " + own);
    String embeddings = new ExtractJob(Fixture.squeeze(spark), settings).run().path();
    String checkpoint = TrainJob.run(Fixture.squeeze(spark), settings);
    String summary =
        new EvaluateJob(Fixture.squeeze(spark), EvaluateJob.Request.of(checkpoint, "test"))
            .score()
            .json();
    TrainedQuantizer encoder =
        TrainedQuantizer.open(Sessions.storage(spark), folder + "/c" + walk, checkpoint, null);
    long rows =
        new EncodeJob(Fixture.squeeze(spark), embeddings, encoder, "array")
            .run()
            .read(spark)
            .count();
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    digest.update(Files.readAllBytes(Path.of(checkpoint)));
    digest.update(summary.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    for (String name : List.of("e" + walk, "c" + walk)) {
      org.apache.commons.io.FileUtils.deleteDirectory(folder.resolve(name).toFile());
    }
    return rows + " rows, " + HexFormat.of().formatHex(digest.digest());
  }

  private static void kill(AtomicInteger kills) {
    Random random = new Random(1);
    try {
      while (true) {
        Thread.sleep(FEWEST_MILLIS + random.nextInt(MORE_MILLIS));
        ProcessHandle.current()
            .descendants()
            .filter(Standalone::isExecutor)
            .skip(random.nextInt(2))
            .findFirst()
            .filter(ProcessHandle::destroyForcibly)
            .ifPresent(killed -> kills.incrementAndGet());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Counts what was tried again. */
  private static final class Failures extends SparkListener {
    private final AtomicInteger failed;

    Failures(AtomicInteger failed) {
      this.failed = failed;
    }

    @Override
    public void onTaskEnd(SparkListenerTaskEnd end) {
      if (!end.reason().equals(Success$.MODULE$)) {
        failed.incrementAndGet();
      }
    }
  }
}
