package io.squeeze.jobs.train;

import io.squeeze.config.Settings;
import io.squeeze.config.StopSettings;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.train.Averaging.Epoch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Checkpoint.Progress;
import io.squeeze.train.Tally;
import io.squeeze.train.Tally.Times;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.sql.SparkSession;

/** The epochs of a run: train, validate, save, and stop where nothing gets better. */
final class Training {
  private final SparkSession spark;
  private final Reporter reporter;
  private final String name;
  private final Settings settings;
  private final RunFolder folder;
  private final Averaging averaging;
  private final Shards validation;
  private final int slots;
  private final TrainingListeners followers;
  private Times spent = null;
  private double seconds;

  /**
   * The epochs of these settings.
   *
   * @param slots tasks that train at a time
   */
  Training(
      SqueezeSession session,
      Settings settings,
      RunFolder folder,
      Averaging averaging,
      Shards validation,
      int slots,
      TrainingListeners followers) {
    this.spark = session.spark();
    this.reporter = session.reporter();
    this.name = settings.output().experimentName();
    this.settings = settings;
    this.folder = folder;
    this.averaging = averaging;
    this.validation = validation;
    this.slots = slots;
    this.followers = followers;
  }

  /**
   * Trains the epochs that remain after a checkpoint, which may hold the state before the first
   * one.
   */
  void run(Checkpoint start) throws IOException {
    Checkpoint checkpoint = start;
    while (!checkpoint.progress().finished()) {
      checkpoint = epoch(checkpoint);
    }
    sayTimes();
  }

  private Checkpoint epoch(Checkpoint before) throws IOException {
    int number = before.epoch() + 1;
    String step = "epoch " + number + " of " + settings.train().epochs() + ", ";
    JobDescription.name(spark, name, step + "training");
    long began = System.nanoTime();
    Epoch epoch = averaging.epoch(before.state(), before.epoch());
    double took = (System.nanoTime() - began) / 1e9;
    JobDescription.name(spark, name, step + "validation");
    Tally held = averaging.evaluate(epoch.state(), validation);
    Map<String, Object> metrics = metrics(number, before.classNames(), epoch, held, took);
    Progress progress = progress(before.progress(), number, metrics);
    Checkpoint checkpoint = before.after(epoch.state(), number, progress);
    // If there is no value to compare, every epoch counts as the best one, and only the last is
    // saved.
    boolean compared = metrics.containsKey(settings.train().stop().monitor());
    if (progress.bestEpoch() == number && (compared || progress.finished())) {
      folder.saveBest(checkpoint);
    }
    folder.addMetrics(metrics);
    folder.saveLast(checkpoint, settings.train().keep());
    Tally trained = epoch.tally();
    JobDescription.name(spark, name, step + "pictures");
    followers.epoch(metrics, trained, checkpoint);
    reporter.say(
        String.format(
            Locale.ROOT,
            "epoch %d/%d  train loss %.4f mIoU %.4f  val loss %.4f mIoU %.4f  %.1f images/s",
            number,
            settings.train().epochs(),
            trained.lossSum() / trained.samples(),
            trained.confusion().meanIou(),
            held.lossSum() / held.samples(),
            held.confusion().meanIou(),
            trained.samples() / took));
    if (progress.finished() && number < settings.train().epochs()) {
      reporter.say(
          String.format(
              Locale.ROOT,
              "Stopped: no better %s than %.4f of epoch %d for %d epochs (--patience)",
              settings.train().stop().monitor(),
              progress.best(),
              progress.bestEpoch(),
              number - progress.bestEpoch()));
    }
    spent = spent == null ? trained.times() : spent.plus(trained.times());
    seconds += took;
    return checkpoint;
  }

  private Progress progress(Progress before, int epoch, Map<String, Object> metrics) {
    StopSettings stop = settings.train().stop();
    boolean last = epoch >= settings.train().epochs();
    Optional<Double> value =
        Optional.ofNullable(metrics.get(stop.monitor())).map(v -> ((Number) v).doubleValue());
    if (value.isEmpty()) {
      // Without held-out samples the last state is the best known.
      return new Progress(Double.NaN, epoch, last);
    }
    if (before.bestEpoch() == 0 || stop.better(value.get(), before.best())) {
      return new Progress(value.get(), epoch, last);
    }
    boolean enough = stop.patience() != null && epoch - before.bestEpoch() >= stop.patience();
    return new Progress(before.best(), before.bestEpoch(), last || enough);
  }

  private Map<String, Object> metrics(
      int number, List<String> classes, Epoch epoch, Tally held, double took) {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put(TrainingListeners.EPOCH, number);
    values.put(TrainingListeners.MILLIS, System.currentTimeMillis());
    epoch.tally().metrics(classes, true).forEach((k, v) -> values.put("train/" + k, v));
    if (epoch.dropped() > 0) {
      values.put("train/shards_dropped", epoch.dropped());
    }
    if (held.samples() > 0) {
      held.metrics(classes, false).forEach((k, v) -> values.put("val/" + k, v));
    }
    values.put("train/images_per_second", epoch.tally().samples() / took);
    shares(epoch.tally().times(), took).forEach((k, v) -> values.put("time/" + k, v));
    return values;
  }

  /** Where the time of the training tasks' cores went, as shares of it. */
  private Map<String, Double> shares(Times times, double wall) {
    double all = wall * slots * 1e9;
    Map<String, Double> shares = new LinkedHashMap<>();
    shares.put("read", times.read() / all);
    shares.put("forward", times.forward() / all);
    shares.put("backward", times.backward() / all);
    shares.put("update", times.update() / all);
    shares.put("score", times.score() / all);
    shares.put("average", Math.max(0, 1 - times.total() / all));
    return shares;
  }

  private void sayTimes() {
    if (spent == null) {
      return;
    }
    List<String> parts = new ArrayList<>();
    shares(spent, seconds)
        .forEach(
            (name, share) ->
                parts.add(String.format(Locale.ROOT, "%s %.1f %%", name, 100 * share)));
    reporter.say(
        String.format(
            Locale.ROOT,
            "Trained for %.1f s: %s (with waiting)",
            seconds,
            String.join(", ", parts)));
  }
}
