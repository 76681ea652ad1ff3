package io.squeeze.jobs.spark;

import io.squeeze.config.ComputeSettings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.storage.HadoopStorage;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;

/** Starts Spark with what our tables need; whatever spark-submit was told wins. */
public final class Sessions {
  /** Settings of {@code compute} travel to the executors in Spark's configuration. */
  static final String PREFIX = "spark.squeeze.";

  private static final String EXTENSIONS = "spark.sql.extensions";
  private static final String OURS = "io.squeeze.jobs.sql.SqueezeExtensions";

  private static final Pattern LOCAL = Pattern.compile("local(\\[([0-9]+|\\*)(,[0-9]+)?\\])?");
  private static final Pattern CLUSTER =
      Pattern.compile("local-cluster\\[([0-9]+)\\s*,\\s*([0-9]+)\\s*,\\s*[0-9]+\\]");

  private Sessions() {}

  /** The session of this JVM, where jobs of several threads share the executors. */
  public static SparkSession startFair(String command, ComputeSettings compute) {
    SparkConf conf = new SparkConf();
    conf.setIfMissing("spark.scheduler.mode", "FAIR");
    return start(conf, command, compute);
  }

  /**
   * The session of this JVM.
   *
   * @throws SqueezeException of category configuration if the master could never schedule a task
   */
  public static SparkSession start(String command, ComputeSettings compute) {
    return start(new SparkConf(), command, compute);
  }

  private static SparkSession start(SparkConf conf, String command, ComputeSettings compute) {
    conf.setIfMissing("spark.app.name", "squeeze " + command);
    conf.setIfMissing("spark.master", "local[*]");
    conf.setIfMissing("spark.ui.showConsoleProgress", "false");
    // Without these, glibc would return the large blocks of a step and request them again, page by
    // page, which is several times slower. For the driver, submit/squeeze sets them.
    conf.setIfMissing("spark.executorEnv.MALLOC_ARENA_MAX", "1");
    conf.setIfMissing("spark.executorEnv.MALLOC_MMAP_THRESHOLD_", "33554432");
    conf.setIfMissing("spark.executorEnv.MALLOC_TRIM_THRESHOLD_", "1073741824");
    // Names of files are in the locale's encoding, and a daemon that starts executors has none.
    conf.setIfMissing("spark.executorEnv.LC_ALL", "C.UTF-8");
    // Spark's own pattern knows no API keys; what matches is hidden on its page and in its event
    // log.
    conf.setIfMissing(
        "spark.redaction.regex", "(?i)secret|password|token|credential|(access|api)[._-]?key");
    conf.setIfMissing(PREFIX + "device", compute.device());
    conf.setIfMissing(PREFIX + "gpu-tasks", Integer.toString(compute.gpuTasks()));
    if (compute.gpuShare() != null) {
      conf.setIfMissing(PREFIX + Stages.SHARE, compute.gpuShare().toString());
    }
    conf.setIfMissing(PREFIX + "threads-per-task", compute.threads());
    // A flipped bit in an embedding would pass for a number.
    conf.setIfMissing("spark.hadoop.parquet.page.verify-checksum.enabled", "true");
    // A row can be 6 MB; the default batch of 4096 rows would be 25 GB.
    conf.setIfMissing("spark.sql.parquet.columnarReaderBatchSize", "8");
    // Java's serializer remembers what it wrote, by default the last 100 rows of a file.
    conf.setIfMissing("spark.serializer.objectStreamReset", "1");
    if (SparkSession.getDefaultSession().isEmpty()) {
      // One class loader for all: with one per session, generated code is compiled again for each
      // and for the executors, whose compiler asks the driver for every name that is no class. A
      // session that runs already stays as its owner has it.
      conf.setIfMissing("spark.sql.artifact.isolation.enabled", "false");
    }
    // Rules for joins cannot join a session that runs.
    String others = conf.get(EXTENSIONS, "");
    if (!others.contains(OURS)) {
      conf.set(EXTENSIONS, others.isEmpty() ? OURS : others + "," + OURS);
    }
    boolean gpu =
        conf.contains("spark.task.resource.gpu.amount")
            || conf.contains("spark.executor.resource.gpu.amount");
    String master = conf.get("spark.master");
    if (gpu && isLocal(master)) {
      throw SqueezeException.configuration(
          ("The master %s schedules no GPUs, so no task would ever start: leave out "
                  + "spark.task.resource.gpu.amount (--device uses the GPUs that libtorch sees), "
                  + "or use a cluster")
              .formatted(master));
    }
    SparkSession spark = SparkSession.builder().config(conf).getOrCreate();
    JobDescription.name(spark, "squeeze", command);
    return spark;
  }

  /** Storage as a session is configured. */
  public static HadoopStorage storage(SparkSession spark) {
    return SparkInternals.storage(spark);
  }

  /** Whether driver and tasks are one process. */
  static boolean isLocal(String master) {
    return LOCAL.matcher(master).matches();
  }

  /** The cores that a stage of so many tasks can give each of them. */
  static int threads(SparkConf conf, int tasks) {
    String master = conf.get("spark.master", "");
    int processors = Runtime.getRuntime().availableProcessors();
    int executors = conf.getInt("spark.executor.instances", 1);
    // Where nobody says how many, YARN and Kubernetes give one, and a standalone worker all.
    boolean one = master.equals("yarn") || master.startsWith("k8s");
    int cores = conf.getInt("spark.executor.cores", one ? 1 : processors);
    Matcher local = LOCAL.matcher(master);
    Matcher cluster = CLUSTER.matcher(master);
    if (local.matches()) {
      executors = 1;
      String number = local.group(2);
      cores = number == null ? 1 : number.equals("*") ? processors : Integer.parseInt(number);
    } else if (cluster.matches()) {
      executors = Integer.parseInt(cluster.group(1));
      cores = Integer.parseInt(cluster.group(2));
    }
    return Math.max(1, Math.min(cores, executors * cores / Math.max(1, tasks)));
  }
}
