package io.squeeze.jobs.train;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.TrainSettings;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.model.RunPhotos;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.quantize.Quantizer;
import io.squeeze.segment.LossType;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Checkpoint.Progress;
import io.squeeze.train.ModelState;
import io.squeeze.weights.HostTensor;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
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

  private final SqueezeSession session;
  private final SparkSession spark;
  private final Reporter reporter;
  private final HadoopStorage storage;
  private final RunFolder folder;
  private final ShardPool pool;
  private Settings settings;

  private TrainJob(SqueezeSession session, Settings settings, ShardPool pool) {
    this.session = session;
    this.spark = session.spark();
    this.reporter = session.reporter();
    this.settings = settings;
    this.pool = pool;
    this.storage = session.storage();
    this.folder = new RunFolder(storage, settings.output().runFolder());
  }

  /** Trains by these settings alone. */
  public static String run(SqueezeSession session, Settings settings) throws IOException {
    try (ShardPool pool = new ShardPool()) {
      return run(session, settings, pool);
    }
  }

  /** Trains beside others that share the pool. */
  public static String run(SqueezeSession session, Settings settings, ShardPool pool)
      throws IOException {
    return new TrainJob(session, settings, pool).run();
  }

  /**
   * Trains, continues an unfinished run, or finds that the run is finished. Returns the path of the
   * last checkpoint.
   *
   * @throws SqueezeException of category configuration if another run is in the folder
   */
  private String run() throws IOException {
    if (settings.quantizer().bytes() != null) {
      throw SqueezeException.usage(
          "--bytes is for the vectors of a table (train --input); with a head, choose the codes by"
              + " --codebook_size and --num_quantizers");
    }
    // Quantizer and loss check their settings now, before hours of extraction.
    Quantizer.of(settings.quantizer(), 1);
    LossType.named(settings.train().loss().type());
    if (settings.train().head().equals("none")) {
      throw SqueezeException.usage("--head none is for the vectors of a table (train --input)");
    }
    Published embeddings = embeddings(session, settings);
    if (settings.train().head().equals("auto")) {
      boolean deeplab = "deeplab".equals(embeddings.manifest().backbone().name());
      settings = settings.with("train.head", deeplab ? "deeplab" : "conv");
    }
    Optional<Checkpoint> found = left(embeddings);
    if (finished(found) && !folder.misplaced(found.get())) {
      reporter.say("Trained already: " + folder.path(RunFolder.LAST) + ", nothing to do");
      return folder.path(RunFolder.LAST);
    }
    folder.locked(
        () -> {
          // Again, now that nobody else trains here.
          Optional<Checkpoint> left = left(embeddings);
          if (finished(left)) {
            folder.restore(left.get());
          } else {
            train(embeddings, left);
          }
          return null;
        });
    return folder.path(RunFolder.LAST);
  }

  private static boolean finished(Optional<Checkpoint> left) {
    return left.filter(c -> c.progress().finished()).isPresent();
  }

  private Optional<Checkpoint> left(Published embeddings) throws IOException {
    return folder.left(
        reporter, settings, embeddings.path(), embeddings.manifest().backbone().sha256());
  }

  private void train(Published embeddings, Optional<Checkpoint> left) throws IOException {
    Manifest manifest = embeddings.manifest();
    Batch.Layout layout =
        new Batch.Layout(
            manifest.channels(), manifest.gridHeight(), manifest.gridWidth(), manifest.size());
    checkChannels(manifest);
    ClassNames classes = ClassNames.of(manifest, settings);
    JobDescription.name(spark, settings.output().experimentName(), "samples and first codebooks");
    SqueezeModel model = new SqueezeModel(settings, manifest.channels(), classes.names().size());
    noteSize(model.quantizer().codebookSizes());
    long rowBytes =
        layout.floatBytes() / (manifest.dtype().equals("float16") ? 2 : 1)
            + (long) layout.size() * layout.size();
    SplitAssigner cuts = new SplitAssigner(session, embeddings, settings.data());
    Shards train = pool.get(key(embeddings, SplitAssigner.TRAIN), () -> shards(cuts, rowBytes));
    Shards validation =
        pool.get(key(embeddings, SplitAssigner.VALIDATION), () -> held(cuts, rowBytes));
    reporter.say(
        "Training %s on %s samples in %s%s%s held out, embeddings %s"
            .formatted(
                settings.quantizer().type(),
                train.count(),
                train.parts(),
                train.parts() == 1 ? " shard, " : " shards, ",
                validation.count(),
                embeddings.path()));
    TrainingListeners followers =
        new TrainingListeners(session, settings, folder, embeddings, validation.count() > 0);
    try {
      Checkpoint start;
      if (left.isPresent()) {
        start = left.get();
        reporter.say(
            "Going on after epoch %s of %s (--restart begins again)"
                .formatted(start.epoch(), settings.train().epochs()));
        folder.resume(start);
        followers.start(start.epoch());
      } else {
        // The full path: evaluate may be called from another folder.
        folder.begin(settings.with("embeddings", embeddings.path()));
        RunPhotos.keep(folder, session.storage(), manifest);
        followers.start(0);
        start = first(model, layout, classes, manifest, train);
      }
      Averaging averaging = new Averaging(session, model, layout, settings, train);
      int slots = Math.min(train.parts(), spark.sparkContext().defaultParallelism());
      new Training(session, settings, folder, averaging, validation, slots, followers).run(start);
      followers.completed();
    } catch (Exception e) { // Spark throws what it does not declare
      followers.failed(e);
      throw e;
    }
  }

  /** What training begins with. */
  private Checkpoint first(
      SqueezeModel model, Batch.Layout layout, ClassNames classes, Manifest manifest, Shards train)
      throws IOException {
    Map<String, HostTensor> tensors = model.initial(settings.seed());
    PretrainedHead.start(session, settings, manifest, classes.names().size(), tensors);
    new QuantizerStart(settings, layout, model, reporter).run(train, tensors);
    return new Checkpoint(
        ModelState.start(model, settings.train().optimizer(), tensors),
        Checkpoint.Config.of(settings),
        layout,
        classes.names(),
        classes.palette(),
        manifest.backbone().sha256(),
        0,
        new Progress(settings.train().stop().worst(), 0, false));
  }

  private ShardPool.Key key(Published embeddings, String cut) {
    TrainSettings train = settings.train();
    return new ShardPool.Key(
        embeddings.path(),
        settings.data(),
        cut,
        train.fixedShards(),
        train.shardRows(),
        train.shardBytes());
  }

  private void checkChannels(Manifest manifest) {
    Integer asked = settings.train().featureDim();
    if (asked != null && asked != manifest.channels()) {
      throw SqueezeException.configuration(
          ("--feature_dim is %s, but the embeddings have %s channels: leave it out, or "
                  + "name others by --embeddings")
              .formatted(asked, manifest.channels()));
    }
  }

  /** Says so where a codebook is not of the size that was asked for. */
  private void noteSize(int[] levels) {
    Integer asked = settings.quantizer().codebookSize();
    String type = settings.quantizer().type();
    if (asked != null && levels.length == 0) {
      reporter.say("--codebook_size changes nothing: " + type + " has no codes");
    } else if (asked != null && levels[0] != asked) {
      reporter.say(
          "%s takes %s codes: its published size nearest in bits to --codebook_size %s"
              .formatted(type, levels[0], asked));
    }
  }

  /** Names and colours of the head's outputs. */
  private record ClassNames(List<String> names, List<Integer> palette) {

    static ClassNames of(Manifest manifest, Settings settings) {
      int own = manifest.classes().size();
      int asked = settings.classes() == null ? own : settings.classes();
      if (asked < own) {
        throw SqueezeException.configuration(
            "num-classes is %s, but the data set has %s classes: %s"
                .formatted(asked, own, String.join(", ", manifest.classes())));
      }
      if (asked < 2) {
        throw SqueezeException.input(
            ("The embeddings have one class alone, %s, so there is nothing to segment (--embeddings):"
                    + " train needs photos with masks (--dataset)")
                .formatted(String.join(", ", manifest.classes())));
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

  /** The embeddings that settings name, extracted where they are missing. */
  public static Published embeddings(SqueezeSession session, Settings settings) throws IOException {
    Optional<Published> current =
        new Versions(session.storage(), settings.embeddingsPath()).current();
    if (current.isPresent()) {
      Published published = Versions.embeddings(session.storage(), settings.embeddingsPath());
      List<String> other = RunPhotos.differences(published.manifest(), settings);
      if (!other.isEmpty()) {
        session
            .reporter()
            .warn(
                "Training on %s, which is there already, with its own photos (%s); for others name another folder (--embeddings)"
                    .formatted(published.path(), String.join("; ", other)));
      }
      return published;
    }
    session
        .reporter()
        .say("No embeddings in " + settings.embeddingsPath() + " yet: extracting them first");
    return new ExtractJob(session, settings).run();
  }

  private Shards shards(SplitAssigner cuts, long rowBytes) {
    Dataset<Row> rows = cuts.rows(SplitAssigner.TRAIN);
    long count = rows.count();
    if (count == 0) {
      throw SqueezeException.input(
          "No samples to train on: lower data.val-fraction ("
              + settings.data().valFraction()
              + ") or use more samples");
    }
    int parts = settings.train().shards(count, rowBytes);
    return Shards.of(rows, settings.data().splitSeed(), "shard", count, parts, rowBytes);
  }

  private Shards held(SplitAssigner cuts, long rowBytes) {
    Dataset<Row> rows = cuts.rows(SplitAssigner.VALIDATION);
    long count = rows.count();
    long group = Math.max(1, Math.min(VALIDATION_ROWS, VALIDATION_BYTES / rowBytes));
    int parts = Math.toIntExact(Math.max(1, (count + group - 1) / group));
    return Shards.of(rows, settings.data().splitSeed(), "validation", count, parts, rowBytes);
  }
}
