package io.squeeze.jobs;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import io.squeeze.dataset.Shapes;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.gc.GcJob;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.SparkSession;

/** A small synthesized data set, a small backbone, and settings and sessions for them. */
public final class Fixture {
  /** Tells nobody. */
  public static final Reporter SILENT =
      new Reporter(
          new PrintStream(OutputStream.nullOutputStream()),
          new PrintStream(OutputStream.nullOutputStream()));

  private final Path folder;
  private final Path backbone;

  public Fixture(Path folder, int photos) throws IOException {
    this(folder);
    new Shapes(3).write(folder.resolve("shapes"), photos);
    TinyBackbone.write(backbone, 1);
  }

  /** One that was written before. */
  Fixture(Path folder) {
    this.folder = folder;
    this.backbone = folder.resolve("tiny.pt");
  }

  public Path backbone() {
    return backbone;
  }

  public Path photos() {
    return folder.resolve("shapes");
  }

  /** Quick training on the data set, with more settings in HOCON over it. */
  public Settings settings(String embeddings, String more) {
    String base =
        """
        model = "%s", data.path = "%s", embeddings = "%s", output.dir = "%s"
        extract { batch-size = 4, rows-per-file = 8 }
        quantizer { codebook-size = 16, bottleneck-dim = 8, codebook.kmeans-iterations = 3 }
        train { epochs = 2, lr = 1e-3, averaging-frequency = 2 }
        track.tensorboard = false
        """
            .formatted(backbone, photos(), folder.resolve(embeddings), folder.resolve("outputs"));
    return Settings.load(List.of(ConfigFactory.parseString(base), ConfigFactory.parseString(more)));
  }

  /** A session on this machine. */
  public static SparkSession local(String master) {
    stop();
    return session(master).getOrCreate();
  }

  /** What a job runs with, where it tells of itself on this process's streams. */
  public static SqueezeSession squeeze(SparkSession spark) {
    return SqueezeSession.of(spark, Reporter.standard());
  }

  /** Removes old versions and leftovers with the storage of a session. */
  public static GcJob gc(SparkSession spark, String path, int keep, boolean delete)
      throws IOException {
    return new GcJob(Sessions.storage(spark), Reporter.standard(), path, keep, delete);
  }

  /** A session on a cluster of two executors, each a process of its own. */
  public static SparkSession cluster() {
    return clusterBuilder("local-cluster[2,1,2048]").getOrCreate();
  }

  /** Executors as processes of their own, with the tests' class path. */
  public static SparkSession.Builder clusterBuilder(String master) {
    stop();
    return session(master)
        .config("spark.executor.memory", "1g")
        .config("spark.executor.extraClassPath", System.getProperty("java.class.path"));
  }

  /** Ends the session that {@link Shared} may have started: a JVM has one context. */
  private static void stop() {
    if (SparkSession.getDefaultSession().isDefined()) {
      SparkSession.getDefaultSession().get().stop();
    }
  }

  public static SparkSession.Builder session(String master) {
    return SparkSession.builder()
        .master(master)
        .appName("test")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.artifact.isolation.enabled", "false")
        .config("spark.sql.codegen.cache.maxEntries", "5000")
        .config("spark.hadoop.parquet.page.verify-checksum.enabled", "true");
  }
}
