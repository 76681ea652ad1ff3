package io.squeeze.jobs.grid;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Failure;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.grid.GridPlan.Run;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Many trainings over one extraction, some at a time. It skips finished runs. If a run fails, it
 * reports the failure and the other runs go on.
 */
public final class GridJob {
  private static final Logger LOG = LoggerFactory.getLogger(GridJob.class);

  /** Trackers know each run by its own name. */
  private static final Config UNNAMED = ConfigFactory.parseString("track.task = null");

  private final SqueezeSession session;
  private final SparkSession spark;
  private final Reporter reporter;
  private final String name;
  private final GridRuns kind;
  private final int parallel;
  private final Map<Run, Settings> runs = new LinkedHashMap<>();
  private final GridTable table;
  private final Map<Run, Outcome> outcomes = new LinkedHashMap<>();
  private final long began = System.nanoTime();

  /** The file of a grid, read before Spark is started. */
  public record File(String name, GridPlan plan) {

    /**
     * Parses a file.
     *
     * @throws SqueezeException of category configuration if it is no grid
     */
    public static File parse(String path, String text) {
      String name = path.substring(path.lastIndexOf('/') + 1).replaceAll("\\.(conf|json)$", "");
      return new File(name, GridPlan.parse(text, path));
    }

    /** Settings of every run, for below those of the command line. */
    public Config base() {
      return plan.base();
    }
  }

  /**
   * A job for the runs of a file; their folders lie in OUTPUT_DIR/NAME/.
   *
   * @param kind what the runs do
   * @param settings of every run, but for what the grid varies
   * @param parallel runs at a time
   * @throws SqueezeException of category configuration if a run's settings are invalid
   */
  public GridJob(
      SqueezeSession session, File file, GridRuns kind, Settings settings, int parallel) {
    this.session = session;
    this.spark = session.spark();
    this.reporter = session.reporter();
    this.name = file.name();
    this.kind = kind;
    this.parallel = parallel;
    String folder = Storage.join(settings.output().dir(), name);
    this.table = new GridTable(session, folder, kind);
    for (Run run : file.plan().runs()) {
      Map<String, String> place =
          Map.of("output.dir", folder, "output.experiment-name", run.name());
      try {
        Config own = ConfigFactory.parseMap(place).withFallback(UNNAMED);
        runs.put(run, kind.settings(settings).with(own).with(run.config()));
      } catch (SqueezeException e) {
        throw SqueezeException.configuration("Run " + run.name() + ": " + e.getMessage());
      }
    }
  }

  /**
   * Does the runs that are not done yet, and writes and prints the tables.
   *
   * @throws SqueezeException of category partial if runs failed
   */
  public void run() throws IOException {
    reporter.say(
        "Grid %s: %s runs, %s at a time, ranked by %s"
            .formatted(name, runs.size(), parallel, kind.rankedBy()));
    kind.prepare(runs.values());
    ExecutorService threads = Executors.newFixedThreadPool(parallel);
    try (kind) {
      List<Future<?>> all = new ArrayList<>();
      for (Run run : runs.keySet()) {
        all.add(threads.submit(() -> attempt(run)));
      }
      for (Future<?> one : all) {
        one.get();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("Interrupted while the grid ran", e);
    } catch (ExecutionException e) {
      throw new IllegalStateException("A run of the grid ended the job", e.getCause());
    } finally {
      threads.shutdownNow();
    }
    List<Outcome> ended = ended();
    table.print(ended);
    reporter.outcome(table.write(ended));
    long failed = ended.stream().filter(Outcome::failed).count();
    if (failed > 0) {
      throw SqueezeException.partial(
          failed + " of " + ended.size() + " runs failed; run the grid again to try them again");
    }
  }

  /** The outcomes so far, in the order of the plan. */
  private List<Outcome> ended() {
    synchronized (outcomes) {
      return runs.keySet().stream().filter(outcomes::containsKey).map(outcomes::get).toList();
    }
  }

  /** A run on a thread of its own. */
  private Void attempt(Run run) throws IOException {
    SqueezeSession own = session.with(reporter.named(run.name()));
    SparkContext context = spark.sparkContext();
    context.setLocalProperty("spark.scheduler.pool", run.name());
    Outcome outcome;
    try {
      outcome = kind.done(own, run, runs.get(run));
    } catch (Exception e) {
      Failure failure = Failure.of(e);
      if (failure.code() == Failure.UNEXPECTED) {
        LOG.error("Run {} failed unexpectedly", run.name(), e);
      }
      String error = failure.sentence().lines().findFirst().orElse("");
      own.reporter().warn("failed: " + error);
      outcome = Outcome.failed(run, error, runs.get(run).output().runFolder());
    }
    synchronized (outcomes) {
      outcomes.put(run, outcome);
      table.writeText(ended());
      sayProgress();
    }
    return null;
  }

  private void sayProgress() {
    long failed = outcomes.values().stream().filter(Outcome::failed).count();
    double each = (System.nanoTime() - began) / 1e9 / outcomes.size();
    reporter.say(
        String.format(
            Locale.ROOT,
            "grid: %d of %d runs, %d failed; about %.0f s left",
            outcomes.size(),
            runs.size(),
            failed,
            each * (runs.size() - outcomes.size())));
  }
}
