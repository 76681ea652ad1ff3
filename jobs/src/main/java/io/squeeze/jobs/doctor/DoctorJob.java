package io.squeeze.jobs.doctor;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.doctor.Check.Verdict;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SparkBuild;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.spark.Stages;
import io.squeeze.jobs.storage.HadoopStorage;
import java.awt.Font;
import java.awt.font.FontRenderContext;
import java.awt.geom.AffineTransform;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;

/** Checks the driver and the executors before a long job starts. */
public final class DoctorJob {
  private static final String DRIVER = "driver";
  private static final long GIB = 1L << 30;

  /** What libtorch and its buffers take outside the heap, for each task. */
  private static final long NATIVE = 700L << 20;

  /** What a task of training holds of its samples, at most ({@code Averaging.HELD}). */
  private static final long HELD = 256L << 20;

  /** Rounds of tasks until every executor had one. */
  private static final int ROUNDS = 5;

  /** A task that is done at once would leave the next one to the same executor. */
  private static final long LINGER_MILLIS = 300;

  private static final double MOST_SKEW_SECONDS = 5;

  /** Bytes of a row, where no embeddings tell. */
  private static final long LIKELY_ROW = 1 << 20;

  private final SparkSession spark;
  private final HadoopStorage storage;
  private final Reporter reporter;
  private final String output;
  private final String embeddings;
  private final List<Check> checks = new ArrayList<>();
  private long rowBytes;

  /**
   * A doctor for the session's processes.
   *
   * @param output path that jobs will write to; null for none
   * @param embeddings that jobs will read; null for none
   */
  public DoctorJob(SqueezeSession session, String output, String embeddings) throws IOException {
    this.spark = session.spark();
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.output = output == null ? null : storage.qualified(output);
    this.embeddings = embeddings;
  }

  /** What was found; it is printed, too. */
  public List<Check> run() throws IOException {
    JobDescription.name(spark, "doctor", "a look at every executor");
    rowBytes = rowBytes();
    Probe driver = Probe.here(DRIVER, storage, output);
    add(DRIVER, driver, driver, driver.millis());
    fonts();
    executors(driver);
    return Collections.unmodifiableList(checks);
  }

  /**
   * Ends the command where something would make jobs fail.
   *
   * @throws SqueezeException of category resource that names the first of it
   */
  public static void judge(List<Check> checks) {
    List<Check> failed = checks.stream().filter(c -> c.verdict() == Verdict.FAILED).toList();
    if (!failed.isEmpty()) {
      Check first = failed.get(0);
      throw SqueezeException.resource(
          "%s of %s checks failed, the first on %s: %s: %s"
              .formatted(failed.size(), checks.size(), first.place(), first.what(), first.found()),
          null);
    }
  }

  /** One at a time, so that a failing cluster takes no line away. */
  private void add(Check check) {
    checks.add(check);
    reporter.result(check.line());
  }

  private void executors(Probe driver) throws IOException {
    if (spark.sparkContext().isLocal()) {
      return; // the driver's process runs the tasks
    }
    Map<String, Probe> probes = new TreeMap<>();
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    long before = System.currentTimeMillis();
    for (int round = 0; round < ROUNDS && (round == 0 || probes.size() < known()); round++) {
      int tasks = Math.max(2, 2 * spark.sparkContext().defaultParallelism());
      HadoopStorage files = storage;
      String path = output;
      List<Integer> numbers = Collections.nCopies(tasks, 0);
      // Where computing tasks run, with the share of a GPU that they get.
      Stages.computing(
              context
                  .parallelize(numbers, tasks)
                  .map(
                      number -> {
                        Probe probe = Probe.here(SparkEnv.get().executorId(), files, path);
                        Thread.sleep(LINGER_MILLIS);
                        return probe;
                      }))
          .collect()
          .forEach(probe -> probes.putIfAbsent(probe.executor(), probe));
    }
    for (Probe probe : probes.values()) {
      add("executor " + probe.executor() + " " + probe.host(), probe, driver, before);
    }
    int expected = known();
    int unseen = expected - probes.size();
    if (probes.isEmpty()) {
      add(Check.failed("cluster", "executors", "none took a task"));
    } else if (unseen > 0) {
      add(
          Check.warning(
              "cluster", "executors", unseen + " of " + expected + " took no task: busy?"));
    } else {
      add(Check.ok("cluster", "executors", probes.size() + " of them, each took a task"));
    }
  }

  /** Executors that are there now; the driver is counted with them. */
  private int known() {
    return spark.sparkContext().statusTracker().getExecutorInfos().length - 1;
  }

  private void add(String place, Probe probe, Probe driver, long before) throws IOException {
    SparkBuild build = SparkBuild.read();
    add(
        build.runsOn(Runtime.Version.parse(probe.java()).feature())
            ? Check.ok(place, "Java", probe.java())
            : Check.failed(
                place,
                "Java",
                "%s, on which Spark %s does not run: set JAVA_HOME"
                    .formatted(probe.java(), build.line())));
    boolean same = probe.spark().equals(driver.spark());
    add(
        SparkBuild.line(probe.spark()).equals(build.line()) && same
            ? Check.ok(place, "Spark", probe.spark())
            : Check.failed(
                place,
                "Spark",
                "%s: this build is for %s, the same everywhere"
                    .formatted(probe.spark(), build.line())));
    torch(place, probe);
    add(
        probe.jpeg() != null
            ? Check.ok(place, "JPEG", "decoded by libjpeg-turbo (" + probe.jpeg() + ")")
            : Check.ok(
                place,
                "JPEG",
                "decoded in Java; libjpeg-turbo (Debian's libturbojpeg0, Red Hat's turbojpeg) gives"
                    + " the same pixels faster"));
    boolean utf8 = probe.charset().equals("UTF-8");
    add(
        utf8
            ? Check.ok(place, "charset", probe.charset())
            : Check.warning(
                place,
                "charset",
                probe.charset() + ": names of files beyond it are not found (LC_ALL=C.UTF-8)"));
    memory(place, probe);
    disk(place, probe);
    if (output != null) {
      add(
          probe.written() == null
              ? Check.ok(place, "output", output + ": a file was written, moved and read")
              : Check.failed(place, "output", output + ": " + probe.written()));
    }
    clock(place, probe, before);
  }

  private void torch(String place, Probe probe) {
    if (probe.problem() != null) {
      add(Check.failed(place, "libtorch", probe.problem()));
      return;
    }
    add(
        Check.ok(
            place,
            "libtorch",
            String.format(
                Locale.ROOT, "%s, loaded in %.1f s", probe.torch(), probe.torchSeconds())));
    boolean idle = probe.gpus() > 0 && probe.device().equals("cpu()") && !place.equals(DRIVER);
    String found = probe.device() + ", libtorch sees " + probe.gpus() + " GPUs";
    add(
        idle
            ? Check.warning(
                place,
                "device",
                found + ": let Spark assign them (--gpu_share, or spark.task.resource.gpu.amount)")
            : Check.ok(place, "device", found));
  }

  /** The heap against what a process will hold, and what is left for libtorch outside of it. */
  private void memory(String place, Probe probe) {
    SparkConf conf = spark.sparkContext().getConf();
    int cores = place.equals(DRIVER) ? 1 : conf.getInt("spark.executor.cores", 1);
    int tasks = Math.max(1, cores / Math.max(1, conf.getInt("spark.task.cpus", 1)));
    long need = GIB / 2 + tasks * (HELD + 16 * rowBytes);
    String found =
        String.format(
            Locale.ROOT,
            "%.1f GiB of heap, %d tasks at a time hold up to %.1f",
            (double) probe.heap() / GIB,
            tasks,
            (double) need / GIB);
    add(
        probe.heap() >= need
            ? Check.ok(place, "memory", found)
            : Check.warning(place, "memory", found + ": raise spark.executor.memory"));
    String overhead = conf.get("spark.executor.memoryOverhead", "");
    String master = conf.get("spark.master", "");
    boolean container = master.startsWith("yarn") || master.startsWith("k8s");
    if (container && !place.equals(DRIVER) && overhead.isEmpty()) {
      add(
          Check.warning(
              place,
              "overhead",
              String.format(
                  Locale.ROOT,
                  "libtorch takes about %.1f GiB outside the heap: set spark.executor.memoryOverhead",
                  (double) tasks * NATIVE / GIB)));
    }
  }

  private long rowBytes() throws IOException {
    if (embeddings == null) {
      return LIKELY_ROW;
    }
    try {
      Manifest manifest = Versions.embeddings(storage, embeddings).manifest();
      return 4L * manifest.positions() * manifest.channels()
          + (long) manifest.size() * manifest.size();
    } catch (SqueezeException e) {
      add(Check.warning(DRIVER, "embeddings", e.getMessage() + ": a row is taken for 1 MiB"));
      return LIKELY_ROW;
    }
  }

  private void disk(String place, Probe probe) {
    String found =
        String.format(Locale.ROOT, "%.1f GiB free for shuffles", (double) probe.temporary() / GIB);
    add(
        probe.temporary() > GIB
            ? Check.ok(place, "disk", found)
            : Check.warning(place, "disk", found + ": set spark.local.dir"));
  }

  private void clock(String place, Probe probe, long before) {
    double early = (before - probe.millis()) / 1e3;
    double late = (probe.millis() - System.currentTimeMillis()) / 1e3;
    double skew = Math.max(0, Math.max(early, late));
    String found = String.format(Locale.ROOT, "within %.1f s of the driver's", skew);
    add(
        skew <= MOST_SKEW_SECONDS
            ? Check.ok(place, "clock", found)
            : Check.warning(
                place, "clock", String.format(Locale.ROOT, "%.0f s from the driver's", skew)));
  }

  private void fonts() {
    try {
      double width =
          new Font(Font.SANS_SERIF, Font.PLAIN, 12)
              .getStringBounds("IoU", new FontRenderContext(new AffineTransform(), true, true))
              .getWidth();
      add(Check.ok(DRIVER, "fonts", String.format(Locale.ROOT, "IoU is %.0f wide", width)));
    } catch (RuntimeException | LinkageError e) {
      add(
          Check.failed(
              DRIVER, "fonts", "text cannot be drawn (" + e + "): install fontconfig and a font"));
    }
  }
}
