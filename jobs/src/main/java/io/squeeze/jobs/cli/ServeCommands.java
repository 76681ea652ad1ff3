package io.squeeze.jobs.cli;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.PhotoFolder;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.export.ExportJob;
import io.squeeze.jobs.model.RunPhotos;
import io.squeeze.jobs.model.TrainedSegmenter;
import io.squeeze.jobs.predict.PredictJob;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import picocli.CommandLine;

/** The commands that use a trained model on what it was not trained on. */
final class ServeCommands {
  private static final String CHECKPOINT = "--checkpoint";
  private static final String EMBEDDINGS = "--embeddings";
  private static final String CODES = "--codes";
  private static final String SPLIT = "--split";
  private static final String SIZE = "--size";
  private static final String PNG = "--png";
  private static final String OUT = "--out";

  /** What names a backbone, and how photos are prepared for it. */
  private static final List<Flag> BACKBONE =
      List.of(
          Flag.MODEL,
          Flag.WEIGHTS,
          Flag.PRECISION,
          Flag.LAYOUT,
          Flag.PREFIX_TOKENS,
          Flag.IMAGE_SIZE,
          Flag.IMAGE_RESIZE,
          Flag.IMAGE_CROP,
          Flag.WINDOWS,
          Flag.STRIDE,
          Flag.IMAGE_MEAN,
          Flag.IMAGE_STD,
          Flag.EMBEDDING_DTYPE,
          Flag.SEED);

  private final Reporter reporter;

  ServeCommands(Reporter reporter) {
    this.reporter = reporter;
  }

  CommandLine predict() {
    return Commands.command(
        reporter,
        "predict",
        Commands.join(Flag.EXTRACTION, Flag.COMPUTE),
        this::predicted,
        spec -> {
          Arguments.declare(
              spec, CHECKPOINT, "FILE", true, "Checkpoint of a run with a segmentation head.");
          Arguments.declare(
              spec, OUT, "PATH", true, "Data set of masks; its versions are PATH/v1, …");
          Arguments.declare(spec, EMBEDDINGS, "PATH", false, "Embeddings, instead of photos.");
          Arguments.declare(
              spec, CODES, "PATH", false, "Codes of the same checkpoint, instead of photos.");
          Arguments.declare(
              spec, SPLIT, "NAME", false, "Split of embeddings or codes. Default: all.");
          Arguments.declare(
              spec,
              SIZE,
              "crop|original",
              false,
              "Size of a mask: that of the square which the backbone sees, or that of the photo, with"
                  + " 255 outside the crop. Default: crop.");
          Arguments.switchOption(spec, PNG, "Writes PATH/png/v1/SAMPLE_ID.png, too.");
        },
        "Masks of photos that have none, from photos, embeddings or codes.",
        "",
        "Publishes a row for each photo: the mask, the share of each class (share_NAME), the mean",
        "probability of the chosen classes (confidence) and the share of the photo that the model did",
        "not see (outside_share). --data_path is a folder of photos, with folders in it, unless",
        "--dataset says something else. Backbone and crop are those of the run (photos.json beside the",
        "checkpoint). An interrupted prediction from photos is continued, and new photos become PATH/v2,",
        "as extract does it.",
        "",
        "  submit/squeeze predict --checkpoint outputs/vq_squeeze/last.ckpt --data_path photos \\",
        "      --out masks/photos --size original --png",
        "  submit/squeeze predict --checkpoint outputs/vq_squeeze/last.ckpt --codes codes/pets \\",
        "      --out masks/pets --split test",
        "");
  }

  CommandLine export() {
    return Commands.command(
        reporter,
        "export",
        BACKBONE,
        this::exported,
        spec -> {
          Arguments.declare(spec, CHECKPOINT, "FILE", true, "Checkpoint of a run.");
          Arguments.declare(
              spec, OUT, "FILE", true, "TorchScript file to write, such as model.pt.");
        },
        "A trained model as one TorchScript program, which runs without this one.",
        "",
        "Of a training with a head: backbone, quantizer and head, with the methods forward (photos to",
        "logits), encode (photos to codes) and decode (codes to logits). Of a fit to a table: encode",
        "(vectors to codes), decode (codes to vectors), and forward, both. The shapes, and how photos",
        "are prepared, stand in a file beside it, FILE.json. The program is compared with the model",
        "before it is published. Backbone and crop are those of the run (photos.json beside the",
        "checkpoint). An earlier export is replaced.",
        "",
        "  submit/squeeze export --checkpoint outputs/vq_squeeze/last.ckpt --out served/pets.pt",
        "");
  }

  private Object exported(Arguments arguments) throws IOException {
    SqueezeSession session = arguments.start("export", arguments.settings(Map.of()));
    String checkpoint = arguments.own(CHECKPOINT);
    ExportJob.Exported exported =
        new ExportJob(session, checkpoint, arguments.own(OUT))
            .run(() -> photoSettings(session, arguments, checkpoint));
    arguments.reporter().result("Program: " + exported.program());
    arguments.reporter().result("Description: " + exported.description());
    return exported;
  }

  private Object predicted(Arguments arguments) throws IOException {
    String embeddings = arguments.own(EMBEDDINGS);
    String codes = arguments.own(CODES);
    String photos = arguments.own(Flag.DATA_PATH.flag());
    if (Stream.of(embeddings, codes, photos).filter(Objects::nonNull).count() != 1) {
      throw SqueezeException.usage(
          "predict takes one of %s, %s and %s".formatted(Flag.DATA_PATH.flag(), EMBEDDINGS, CODES));
    }
    if (photos == null) {
      refusePhotoOptions(arguments, embeddings == null ? CODES : EMBEDDINGS);
    }
    String split = arguments.own(SPLIT);
    if (photos != null && split != null) {
      throw SqueezeException.usage(SPLIT + " is for " + EMBEDDINGS + " and " + CODES);
    }
    String size = arguments.own(SIZE, "crop");
    if (!List.of("crop", "original").contains(size)) {
      throw SqueezeException.usage(SIZE + " is crop or original, not " + size);
    }
    SqueezeSession session = arguments.start("predict", arguments.settings(Map.of()));
    String checkpoint = arguments.own(CHECKPOINT);
    TrainedSegmenter segmenter =
        TrainedSegmenter.open(
            session.storage(), arguments.own(OUT), checkpoint, size.equals("original"));
    PredictJob job = new PredictJob(session, segmenter);
    Published published;
    if (embeddings != null) {
      published = job.embeddings(embeddings, split);
    } else if (codes != null) {
      published = job.codes(codes, split);
    } else {
      published = job.photos(photoSettings(session, arguments, checkpoint));
    }
    Map<String, Object> outcome = CodeCommands.published(arguments, "Masks", published);
    if (arguments.given(PNG)) {
      String folder = job.pictures(published);
      arguments.reporter().result("Pictures: " + folder);
      outcome.put("pictures", folder);
    }
    return outcome;
  }

  /** The settings of the run under those that the user gives, who may name all of them. */
  private static Settings photoSettings(
      SqueezeSession session, Arguments arguments, String checkpoint) throws IOException {
    Config usual = ConfigFactory.parseMap(Map.of("data.dataset", PhotoFolder.NAME));
    Config run =
        arguments.own(Flag.MODEL.flag()) == null
            ? RunPhotos.settings(session.storage(), checkpoint)
            : ConfigFactory.empty();
    return arguments.settings(run.withFallback(usual));
  }

  /** Refuses options about photos where none are read. */
  private static void refusePhotoOptions(Arguments arguments, String instead) {
    for (Flag flag : Flag.EXTRACTION) {
      if (flag != Flag.DATA_PATH && arguments.own(flag.flag()) != null) {
        throw SqueezeException.usage(
            "%s is for photos, and %s reads none".formatted(flag.flag(), instead));
      }
    }
  }
}
