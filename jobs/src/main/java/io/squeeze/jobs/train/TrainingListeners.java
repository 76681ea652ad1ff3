package io.squeeze.jobs.train;

import com.fasterxml.jackson.databind.JsonNode;
import io.squeeze.config.Settings;
import io.squeeze.jobs.console.Failure;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.model.SampleDrawing;
import io.squeeze.jobs.model.TrainedModels;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.run.Trackers;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.report.Picture;
import io.squeeze.report.PictureGrid;
import io.squeeze.track.Ending.Status;
import io.squeeze.track.EpochReport;
import io.squeeze.track.Histogram;
import io.squeeze.track.TensorBoard;
import io.squeeze.track.Tracker;
import io.squeeze.track.Tracking;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Tally;
import io.squeeze.weights.ElementType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reports a training to the trackers that its settings name. */
public final class TrainingListeners {
  /** Keys of a line of the metrics that are no metrics. */
  static final String EPOCH = "epoch";

  static final String MILLIS = "millis";

  private final SqueezeSession session;
  private final Reporter reporter;
  private final Settings settings;
  private final RunFolder folder;
  private final Published embeddings;
  private final Tracking tracking;
  private final boolean hasHeldOut;
  private final boolean any;
  private List<String> drawn;

  TrainingListeners(
      SqueezeSession session,
      Settings settings,
      RunFolder folder,
      Published embeddings,
      boolean hasHeldOut)
      throws IOException {
    this.session = session;
    this.reporter = session.reporter();
    this.settings = settings;
    this.folder = folder;
    this.embeddings = embeddings;
    this.hasHeldOut = hasHeldOut;
    List<Tracker> trackers = Trackers.of(session.storage(), settings.track(), reporter);
    if (settings.track().tensorBoard()) {
      trackers.add(new TensorBoard(folder.events()));
    }
    this.any = !trackers.isEmpty();
    this.tracking = new Tracking(trackers, reporter);
  }

  /**
   * Opens the run before the first epoch, or before the next one. Then it sends past epochs again,
   * because servers may have missed them.
   */
  void start(int epoch) throws IOException {
    String name = settings.output().experimentName();
    tracking.start(Trackers.run(settings, settings.track(), name, epoch, folder));
    if (epoch > 0) {
      for (JsonNode past : folder.epochs()) {
        Map<String, Double> scalars = new LinkedHashMap<>();
        past.properties().forEach(f -> scalars.put(f.getKey(), f.getValue().asDouble()));
        // What lies behind the checkpoint is about to come again.
        if (scalars.get(EPOCH) <= epoch) {
          tracking.log(step(scalars, true));
        }
      }
    }
  }

  /** The numbers of a line of the metrics. */
  private static EpochReport step(Map<String, Double> metrics, boolean again) {
    Map<String, Double> scalars = new LinkedHashMap<>(metrics);
    int epoch = scalars.remove(EPOCH).intValue();
    Double millis = scalars.remove(MILLIS);
    return EpochReport.of(epoch, millis == null ? 0 : millis.longValue(), scalars, again);
  }

  /** After an epoch. */
  void epoch(Map<String, Object> metrics, Tally trained, Checkpoint checkpoint) {
    if (!any) {
      return;
    }
    Map<String, Double> values = new LinkedHashMap<>();
    metrics.forEach((tag, value) -> values.put(tag, ((Number) value).doubleValue()));
    EpochReport numbers = step(values, false);
    tracking.log(
        new EpochReport(
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
      reporter.warn("No pictures of epoch " + checkpoint.epoch() + ": " + reason);
      return Map.of();
    }
  }

  private byte[] png(Checkpoint checkpoint) throws IOException {
    if (drawn == null) {
      SplitAssigner cuts = new SplitAssigner(session, embeddings, settings.data());
      drawn =
          SampleDrawing.drawn(
              cuts.rows(SplitAssigner.VALIDATION), settings.seed(), settings.track().pictures());
    }
    TrainedModels trained = new TrainedModels(checkpoint, null, embeddings);
    Map<String, Picture> found =
        new SampleDrawing(session, trained, embeddings.manifest().root(), false)
            .of(SplitAssigner.VALIDATION, drawn);
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
