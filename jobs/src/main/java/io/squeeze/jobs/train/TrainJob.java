package io.squeeze.jobs.train;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.Cuts;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.Manifest;
import io.squeeze.jobs.spark.RunFolder;
import io.squeeze.jobs.spark.Versions;
import io.squeeze.jobs.spark.Versions.Published;
import io.squeeze.metric.ConfusionMatrix;
import io.squeeze.quantize.Quantizer;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.LocalTrainer.Result;
import io.squeeze.train.LocalTrainer.Score;
import io.squeeze.train.ModelState;
import io.squeeze.weights.HostTensor;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** Embeddings to a checkpoint: quantizer and head, trained over shards. */
public final class TrainJob {
  /** Samples of one task of validation, which holds them all. */
  private static final long VALIDATION_ROWS = 256;

  private static final long VALIDATION_BYTES = 128L << 20;

  private final SparkSession spark;
  private final HadoopStorage storage;
  private final RunFolder folder;
  private Settings settings;

  public TrainJob(SparkSession spark, Settings settings) {
    this.spark = spark;
    this.settings = settings;
    this.storage = new HadoopStorage(spark);
    this.folder = new RunFolder(storage, settings.output().runFolder());
  }

  /**
   * Trains, or finds that this run is finished; the path of the last checkpoint.
   *
   * @throws SqueezeException of category configuration if another run is in the folder
   */
  public String run() throws IOException {
    // What the quantizer refuses is said before hours of extraction; its channels come with that.
    Quantizer.of(settings.quantizer(), 1);
    if (settings.train().head().equals("none")) {
      throw SqueezeException.usage("--head none is for the vectors of a table (train --input)");
    }
    Published embeddings = embeddings();
    if (settings.train().head().equals("auto")) {
      boolean deeplab = "deeplab".equals(embeddings.manifest().settings().get("backbone.name"));
      settings = settings.with("train.head", deeplab ? "deeplab" : "conv");
    }
    if (folder.finished(settings, embeddings.path(), embeddings.manifest().backbone())) {
      return folder.path(RunFolder.LAST);
    }
    Manifest manifest = embeddings.manifest();
    Batch.Layout layout =
        new Batch.Layout(
            manifest.channels(), manifest.gridHeight(), manifest.gridWidth(), manifest.size());
    checkChannels(manifest);
    ClassNames classes = ClassNames.of(manifest, settings);
    SqueezeModel model = new SqueezeModel(settings, manifest.channels(), classes.names().size());
    noteSize(model.quantizer().levels());
    Cuts cuts = new Cuts(spark, embeddings, settings.data());
    long rowBytes =
        layout.floatBytes() / (manifest.dtype().equals("float16") ? 2 : 1)
            + (long) layout.size() * layout.size();
    Shards train = shards(cuts.rows(Cuts.TRAIN), rowBytes);
    Shards validation = validation(cuts.rows(Cuts.VALIDATION), rowBytes);
    Console.say(
        "Training "
            + settings.quantizer().type()
            + " on "
            + train.count()
            + " samples in "
            + train.parts()
            + (train.parts() == 1 ? " shard, " : " shards, ")
            + validation.count()
            + " held out, embeddings "
            + embeddings.path());
    // The full path: evaluate may be called from another folder.
    folder.begin(settings.with("embeddings", embeddings.path()));
    Map<String, HostTensor> tensors = model.initial(settings.seed());
    PretrainedHead.start(storage, settings, manifest, classes.names().size(), tensors);
    new CodebookStart(settings, layout, model).run(train, tensors);
    Averaging averaging = new Averaging(spark, model, layout, settings, train);
    epochs(averaging, validation, ModelState.start(model, tensors), layout, classes, manifest);
    train.unpersist();
    validation.unpersist();
    return folder.path(RunFolder.LAST);
  }

  private void checkChannels(Manifest manifest) {
    Integer asked = settings.train().featureDim();
    if (asked != null && asked != manifest.channels()) {
      throw SqueezeException.configuration(
          "--feature_dim is "
              + asked
              + ", but the embeddings have "
              + manifest.channels()
              + " channels: leave it out, or name others by --embeddings");
    }
  }

  /** Says so where a codebook is not of the size that was asked for. */
  private void noteSize(int[] levels) {
    Integer asked = settings.quantizer().codebookSize();
    String type = settings.quantizer().type();
    if (asked != null && levels.length == 0) {
      Console.say("--codebook_size changes nothing: " + type + " has no codes");
    } else if (asked != null && levels[0] != asked) {
      Console.say(
          type
              + " takes "
              + levels[0]
              + " codes: its published size nearest in bits to --codebook_size "
              + asked);
    }
  }

  /** Names and colours of the head's outputs. */
  private record ClassNames(List<String> names, List<Integer> palette) {

    static ClassNames of(Manifest manifest, Settings settings) {
      int own = manifest.classes().size();
      int asked = settings.classes() == null ? own : settings.classes();
      if (asked < own) {
        throw SqueezeException.configuration(
            "num-classes is "
                + asked
                + ", but the data set has "
                + own
                + " classes: "
                + String.join(", ", manifest.classes()));
      }
      List<String> names = new ArrayList<>(manifest.classes());
      List<Integer> palette = new ArrayList<>(manifest.palette());
      for (int k = own; k < asked; k++) {
        names.add("class_" + k);
        palette.add(0x808080);
      }
      return new ClassNames(names, palette);
    }
  }

  private Published embeddings() throws IOException {
    Optional<Published> current = new Versions(storage, settings.embeddingsPath()).current();
    if (current.isPresent()) {
      return current.get();
    }
    Console.say("No embeddings in " + settings.embeddingsPath() + " yet: extracting them first");
    return new ExtractJob(spark, settings).run();
  }

  private Shards shards(Dataset<Row> rows, long rowBytes) {
    long count = rows.count();
    if (count == 0) {
      throw SqueezeException.input(
          "No samples to train on: lower data.val-fraction ("
              + settings.data().valFraction()
              + ") or use more samples");
    }
    int parts = settings.train().shards(count, rowBytes);
    return Shards.of(rows, settings.seed(), "shard", count, parts, rowBytes);
  }

  private Shards validation(Dataset<Row> rows, long rowBytes) {
    long count = rows.count();
    long group = Math.max(1, Math.min(VALIDATION_ROWS, VALIDATION_BYTES / rowBytes));
    int parts = Math.toIntExact(Math.max(1, (count + group - 1) / group));
    return Shards.of(rows, settings.seed(), "validation", count, parts, rowBytes);
  }

  private void epochs(
      Averaging averaging,
      Shards validation,
      ModelState start,
      Batch.Layout layout,
      ClassNames classes,
      Manifest manifest)
      throws IOException {
    ModelState state = start;
    double best = Double.NEGATIVE_INFINITY;
    for (int epoch = 0; epoch < settings.train().epochs(); epoch++) {
      long began = System.nanoTime();
      Result trained = averaging.epoch(state, epoch);
      state = trained.state();
      double seconds = (System.nanoTime() - began) / 1e9;
      Score held = averaging.evaluate(state, validation);
      double iou = held.confusion().meanIou();
      Checkpoint checkpoint =
          new Checkpoint(
              state,
              settings.trainingJson(),
              layout,
              classes.names(),
              classes.palette(),
              manifest.backbone(),
              epoch + 1,
              iou);
      // Without held-out samples the last state is the best known.
      if (!(iou <= best)) {
        best = iou;
        folder.save(RunFolder.BEST, checkpoint);
      }
      folder.addMetrics(metrics(epoch + 1, trained, held, seconds));
      folder.save(RunFolder.LAST, checkpoint);
      Console.say(
          String.format(
              Locale.ROOT,
              "epoch %d/%d  train loss %.4f mIoU %.4f  val loss %.4f mIoU %.4f  %.1f images/s",
              epoch + 1,
              settings.train().epochs(),
              trained.lossSum() / trained.samples(),
              trained.confusion().meanIou(),
              held.lossSum() / held.samples(),
              iou,
              trained.samples() / seconds));
    }
  }

  private static Map<String, Object> metrics(
      int epoch, Result trained, Score held, double seconds) {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("epoch", epoch);
    put(values, "train/", trained.samples(), trained.lossSum(), trained.confusion());
    trained
        .health()
        .metrics(trained.samples(), true)
        .forEach((k, v) -> values.put("train/" + k, v));
    if (held.samples() > 0) {
      put(values, "val/", held.samples(), held.lossSum(), held.confusion());
      held.health().metrics(held.samples(), false).forEach((k, v) -> values.put("val/" + k, v));
    }
    values.put("train/images_per_second", trained.samples() / seconds);
    return values;
  }

  private static void put(
      Map<String, Object> values, String prefix, long samples, double lossSum, ConfusionMatrix m) {
    values.put(prefix + "loss", lossSum / samples);
    values.put(prefix + "iou", m.meanIou());
    values.put(prefix + "acc", m.pixelAccuracy());
    values.put(prefix + "precision", m.precision());
    values.put(prefix + "recall", m.recall());
    values.put(prefix + "f1", m.f1());
  }
}
