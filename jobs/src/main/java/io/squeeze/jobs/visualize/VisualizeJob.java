package io.squeeze.jobs.visualize;

import io.squeeze.config.Settings;
import io.squeeze.dataset.Datasets;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.evaluate.EvaluateJob.Scored;
import io.squeeze.jobs.model.SampleDrawing;
import io.squeeze.jobs.model.TrainedModels;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.run.Summary;
import io.squeeze.jobs.run.Trackers;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.report.Page;
import io.squeeze.report.Picture;
import io.squeeze.report.PictureGrid;
import io.squeeze.storage.Storage;
import io.squeeze.track.Artifact;
import io.squeeze.track.EpochReport;
import io.squeeze.track.Tracker;
import io.squeeze.track.Tracking;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** A run as people look at it: an HTML report, and pictures of the samples that tell most. */
public final class VisualizeJob {
  private final SqueezeSession session;
  private final SparkSession spark;
  private final HadoopStorage storage;
  private final Reporter reporter;
  private final String checkpointPath;
  private final EvaluateJob evaluation;
  private final TrainedModels trained;
  private final String split;
  private final Settings settings;
  private final String root;

  /**
   * Opens what is to be shown.
   *
   * @param dataPath where the photos lie now; null: where they lay when they were extracted
   */
  public VisualizeJob(
      SqueezeSession session, EvaluateJob.Request request, String dataPath, Settings settings)
      throws IOException {
    this.session = session;
    this.spark = session.spark();
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.checkpointPath = request.checkpoint();
    this.evaluation = new EvaluateJob(session, request);
    this.trained = evaluation.trained();
    this.split = request.split();
    this.settings = settings;
    String dataset = trained.embeddings().manifest().dataset();
    this.root =
        dataPath == null
            ? trained.embeddings().manifest().root()
            : storage.qualified(root(dataset, dataPath));
  }

  /** Where a data set lies below a path: there itself, if it is declared by a file. */
  private String root(String dataset, String path) throws IOException {
    Optional<SegmentationDataset> known = Datasets.known(dataset);
    return known.isPresent() ? known.get().root(storage, path) : path;
  }

  /**
   * What was shown.
   *
   * @param written paths of pictures and report
   */
  public record Shown(List<String> written, Summary summary) {}

  /** Prints the evaluation, writes report and pictures. */
  public Shown run() throws IOException {
    Scored scored = evaluation.run();
    Dataset<Row> table = evaluation.table();
    JobDescription.name(spark, "visualize " + checkpointPath, "ranking " + split);
    List<Choice> choices = Choice.of(table, settings, trained.baseline() != null);
    Set<String> ids = new LinkedHashSet<>();
    choices.forEach(choice -> ids.addAll(choice.ids()));
    JobDescription.name(spark, "visualize " + checkpointPath, "drawing " + ids.size() + " samples");
    Map<String, Picture> drawn = new SampleDrawing(session, trained, root, true).of(split, ids);
    List<String> paths = new ArrayList<>();
    Map<String, List<Picture>> pictures = new LinkedHashMap<>();
    for (Choice choice : choices) {
      List<Picture> own = choice.ids().stream().map(drawn::get).toList();
      write(choice, own, paths);
      pictures.put(choice.title(), own);
    }
    JobDescription.name(spark, "visualize " + checkpointPath, "report");
    String path = path("report_" + split + ".html");
    RunReport report = new RunReport(spark, trained, RunFolder.of(storage, checkpointPath), split);
    Page page = report.page(modelName(checkpointPath), scored, table, pictures);
    storage.replace(path, page::write);
    paths.add(path);
    reporter.result("Written: " + path);
    tell(scored.summary(), path);
    return new Shown(paths, scored.summary());
  }

  /** Adds the split's numbers and the report to the run on the servers that settings name. */
  private void tell(Summary summary, String report) throws IOException {
    List<Tracker> trackers = Trackers.of(storage, settings.track(), reporter);
    if (trackers.isEmpty()) {
      return;
    }
    RunFolder folder = RunFolder.of(storage, checkpointPath);
    int epoch = trained.checkpoint().epoch();
    String prefix = "evaluation_" + split + "/";
    Map<String, Double> scalars = new LinkedHashMap<>();
    scalars.put(prefix + "iou", summary.miou());
    scalars.put(prefix + "acc", summary.pixelAccuracy());
    scalars.put(prefix + "bits_per_vector", summary.bitsPerVector());
    if (summary.baseline() != null) {
      scalars.put(prefix + "baseline_iou", summary.baseline().miou());
    }
    Settings run = folder.settings().orElse(settings);
    Tracking tracking = new Tracking(trackers, reporter);
    tracking.attach(Trackers.run(run, settings.track(), modelName(checkpointPath), epoch, folder));
    tracking.log(EpochReport.of(epoch, System.currentTimeMillis(), scalars, false));
    tracking.keep(new Artifact("report_" + split + ".html", storage, report));
    tracking.close();
  }

  private String path(String name) {
    return Storage.join(settings.visualize().dir(), modelName(checkpointPath) + "/" + name);
  }

  private void write(Choice choice, List<Picture> pictures, List<String> paths) throws IOException {
    if (pictures.isEmpty()) {
      reporter.say(
          "No picture of the "
              + choice.name()
              + " results: "
              + (choice.asked() == 0
                  ? "n_" + choice.name() + " is 0"
                  : "the split has no sample with an IoU"));
      return;
    }
    int most = settings.visualize().maxRows();
    if (choice.asked() > most && pictures.size() == most) {
      reporter.warn(
          "%s of the %s were asked for, %s are drawn (visualize.max-rows)"
              .formatted(choice.asked(), choice.name(), most));
    }
    Checkpoint checkpoint = trained.checkpoint();
    PictureGrid grid =
        new PictureGrid(
            choice.title() + " results of " + modelName(checkpointPath) + " (" + split + " split)",
            RunReport.label(checkpoint),
            checkpoint.classNames(),
            checkpoint.palette(),
            settings.visualize().outlines());
    String path = path(choice.name() + "_results_" + split + ".png");
    storage.replace(path, out -> grid.write(pictures, out));
    paths.add(path);
    reporter.result("Written: " + path);
    for (Picture p : pictures) {
      String compared =
          p.baseline() == null
              ? ""
              : String.format(Locale.ROOT, ", baseline %.3f", p.baselineIou());
      reporter.result(
          String.format(Locale.ROOT, "  %-32s IoU %.3f%s", p.id(), p.quantizedIou(), compared));
    }
  }

  /** The checkpoint's file without ending, last and best; else the name of its run's folder. */
  static String modelName(String checkpoint) {
    String[] parts = checkpoint.split("/", -1);
    String file = parts[parts.length - 1].replace(".ckpt", "");
    String name = file.replace("last", "").replace("best", "").replaceAll("^[-_]+|[-_]+$", "");
    if (!name.isEmpty()) {
      return name;
    }
    return parts.length > 1 && !parts[parts.length - 2].equals(".")
        ? parts[parts.length - 2]
        : "model";
  }
}
