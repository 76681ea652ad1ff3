package io.squeeze.jobs.train;

import com.fasterxml.jackson.databind.JsonNode;
import io.squeeze.config.Settings;
import io.squeeze.jobs.evaluate.Trained;
import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.Cuts;
import io.squeeze.jobs.spark.Failure;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.RunFolder;
import io.squeeze.jobs.spark.Trackers;
import io.squeeze.jobs.spark.Versions.Published;
import io.squeeze.jobs.visualize.Drawing;
import io.squeeze.report.Picture;
import io.squeeze.report.PictureGrid;
import io.squeeze.track.Ending.Status;
import io.squeeze.track.Histogram;
import io.squeeze.track.Step;
import io.squeeze.track.TensorBoard;
import io.squeeze.track.Tracker;
import io.squeeze.track.Tracking;
import io.squeeze.track.Voice;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Tally;
import io.squeeze.weights.ElementType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.SparkSession;

/** Where a training is followed: what it tells the trackers that its settings name. */
final class Followers {
  /** Keys of a line of the metrics that are no metrics. */
  static final String EPOCH = "epoch";

  static final String MILLIS = "millis";

  private final SparkSession spark;
  private final Settings settings;
  private final RunFolder folder;
  private final Published embeddings;
  private final Tracking tracking;
  private final boolean hasHeldOut;
  private final boolean any;
  private List<String> drawn;

  Followers(
      SparkSession spark,
      Settings settings,
      RunFolder folder,
      Published embeddings,
      boolean hasHeldOut)
      throws IOException {
    this.spark = spark;
    HadoopStorage storage = new HadoopStorage(spark);
    this.settings = settings;
    this.folder = folder;
    this.embeddings = embeddings;
    this.hasHeldOut = hasHeldOut;
    Voice voice = Console.voice();
    List<Tracker> trackers = Trackers.of(storage, settings.track(), voice);
    if (settings.track().tensorBoard()) {
      trackers.add(new TensorBoard(folder.events()));
    }
    this.any = !trackers.isEmpty();
    this.tracking = new Tracking(trackers, voice);
  }

  /** Before the first epoch, or the next; servers may have missed the last ones. */
  void start(int epoch) throws IOException {
    String name = settings.output().experimentName();
    tracking.start(Trackers.run(settings, settings.track(), name, epoch, folder));
    if (epoch > 0) {
      for (JsonNode past : folder.epochs()) {
        Map<String, Double> scalars = new LinkedHashMap<>();
        past.fields().forEachRemaining(f -> scalars.put(f.getKey(), f.getValue().asDouble()));
        // What lies behind the checkpoint is about to come again.
        if (scalars.get(EPOCH) <= epoch) {
          tracking.log(step(scalars, true));
        }
      }
    }
  }

  /** The numbers of a line of the metrics. */
  private static Step step(Map<String, Double> metrics, boolean again) {
    Map<String, Double> scalars = new LinkedHashMap<>(metrics);
    int epoch = scalars.remove(EPOCH).intValue();
    Double millis = scalars.remove(MILLIS);
    return Step.of(epoch, millis == null ? 0 : millis.longValue(), scalars, again);
  }

  /** After an epoch. */
  void epoch(Map<String, Object> metrics, Tally trained, Checkpoint checkpoint) {
    if (!any) {
      return;
    }
    Map<String, Double> values = new LinkedHashMap<>();
    metrics.forEach((tag, value) -> values.put(tag, ((Number) value).doubleValue()));
    Step numbers = step(values, false);
    tracking.log(
        new Step(
            numbers.epoch(),
            numbers.millis(),
            numbers.scalars(),
            due(checkpoint) ? pictures(checkpoint) : Map.of(),
            histograms(trained, checkpoint),
            false));
  }

  private static Map<String, Histogram> histograms(Tally trained, Checkpoint checkpoint) {
    Map<String, Histogram> histograms = new LinkedHashMap<>();
    for (int level = 0; level < trained.health().usage().size(); level++) {
      long[] counts = trained.health().usage().get(level).counts();
      histograms.put("codes/level_" + level, Histogram.ofCodes(counts));
    }
    checkpoint
        .state()
        .model()
        .forEach(
            (name, tensor) -> {
              if (tensor.type() == ElementType.F32) {
                histograms.put("parameters/" + name, Histogram.of(tensor.floats()));
              }
            });
    return histograms;
  }

  private boolean due(Checkpoint checkpoint) {
    Integer every = settings.track().pictureEvery();
    return settings.track().pictures() > 0
        && hasHeldOut
        && (checkpoint.progress().finished() || (every != null && checkpoint.epoch() % every == 0));
  }

  /** Held-out samples with their masks; none where that fails, which is no reason to end a run. */
  private Map<String, byte[]> pictures(Checkpoint checkpoint) {
    try {
      return Map.of("val/pictures", png(checkpoint));
    } catch (Exception e) { // Spark throws what it does not declare
      String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
      Console.warn("No pictures of epoch " + checkpoint.epoch() + ": " + reason);
      return Map.of();
    }
  }

  private byte[] png(Checkpoint checkpoint) throws IOException {
    if (drawn == null) {
      Cuts cuts = new Cuts(spark, embeddings, settings.data());
      drawn =
          Drawing.drawn(cuts.rows(Cuts.VALIDATION), settings.seed(), settings.track().pictures());
    }
    Trained trained = new Trained(checkpoint, null, embeddings);
    Map<String, Picture> found =
        new Drawing(spark, trained, embeddings.manifest().root(), false).of(Cuts.VALIDATION, drawn);
    PictureGrid grid =
        new PictureGrid(
            "Held-out samples, epoch " + checkpoint.epoch(),
            "Prediction",
            checkpoint.classNames(),
            checkpoint.palette(),
            false);
    ByteArrayOutputStream png = new ByteArrayOutputStream();
    grid.write(drawn.stream().map(found::get).toList(), png);
    return png.toByteArray();
  }

  /** After the last epoch. */
  void completed() {
    tracking.keep(folder.artifact(RunFolder.CONFIG));
    tracking.keep(folder.artifact(RunFolder.METRICS));
    if (settings.track().checkpoint()) {
      tracking.keep(folder.artifact(RunFolder.BEST));
    }
    tracking.finish(Status.COMPLETED, "");
  }

  /** When there will be no more epochs. */
  void failed(Exception cause) {
    tracking.finish(Status.FAILED, Failure.of(cause).sentence());
  }
}
