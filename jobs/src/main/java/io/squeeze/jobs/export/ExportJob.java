package io.squeeze.jobs.export;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.Backbone;
import io.squeeze.backbone.BackboneFile;
import io.squeeze.config.Json;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.model.Backbones;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.model.TrainedModels;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.torch.EmbeddedProgram;
import io.squeeze.torch.LoadedProgram;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.weights.ElementType;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Writes a checkpoint as one TorchScript program that runs without this one: backbone, quantizer
 * and head of a training, or the quantizer of a table. Before the program is published, it is
 * loaded and compared with the model on random input.
 */
public final class ExportJob {
  /** Inputs that are compared. */
  private static final int PHOTOS = 2;

  private static final int VECTORS = 512;

  /** The key in a description that says that it is one. */
  private static final String CHECKPOINT = "exported_checkpoint_sha256";

  /** Largest difference of the outputs that counts as rounding, as a share of the largest value. */
  private static final double ROUNDING = 1e-3;

  /** Largest share of other codes: of vectors that lie between two codewords. */
  private static final double TIES = 0.01;

  private final SqueezeSession session;
  private final HadoopStorage storage;
  private final Reporter reporter;
  private final String path;
  private final Checkpoint checkpoint;
  private final String out;
  private final String description;

  /**
   * Opens the checkpoint.
   *
   * @param path of the checkpoint
   * @param out file to write; a description goes beside it, with the ending .json
   */
  public ExportJob(SqueezeSession session, String path, String out) throws IOException {
    this.session = session;
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.path = path;
    if (!out.endsWith(".pt")) {
      throw SqueezeException.usage("--out is a TorchScript file, such as model.pt, not " + out);
    }
    this.out = storage.qualified(out);
    this.description = this.out.replaceFirst("\\.pt$", ".json");
    checkTarget();
    this.checkpoint = Checkpoint.read(storage, path).forUse();
    if (checkpoint.model().classes() == 0 && codebookSizes().length == 0) {
      throw SqueezeException.configuration(path + " has neither a quantizer nor a head");
    }
  }

  /** Replaces an earlier export, and nothing else. */
  private void checkTarget() throws IOException {
    boolean program = storage.exists(out);
    boolean described = storage.exists(description);
    boolean earlier =
        program && described && storage.text(description).contains("\"" + CHECKPOINT + "\"");
    if ((program || described) && !earlier) {
      throw SqueezeException.configuration(
          "There is something else at %s: name another file (--out)"
              .formatted(program ? out : description));
    }
  }

  private int[] codebookSizes() {
    return checkpoint.model().quantizer().codebookSizes();
  }

  /**
   * What was written.
   *
   * @param program the TorchScript file
   * @param description what its inputs and outputs are
   * @param bytes of the program
   * @param difference largest difference of an output from the model's, as a share of the largest
   *     value
   * @param equalCodes share of codes that are the model's; 1 without codes
   */
  public record Exported(
      String program, String description, long bytes, double difference, double equalCodes) {}

  /** What the comparison found. */
  private record Compared(double difference, double equalCodes) {}

  /** The settings of the backbone and of the photos, asked for where there is a head. */
  public interface Photos {
    Settings settings() throws IOException;
  }

  /**
   * Writes program and description.
   *
   * @throws SqueezeException of category configuration if a part has no program, of category input
   *     if the backbone is not the one of the training
   */
  public Exported run(Photos photos) throws IOException {
    Path local = Files.createTempFile("export-", ".pt");
    try {
      Map<String, Object> said = new LinkedHashMap<>();
      Compared compared =
          checkpoint.model().classes() == 0
              ? vectors(local, said)
              : photos(local, photos.settings(), said);
      try (InputStream in = storage.open(path)) {
        said.put(CHECKPOINT, BackboneFile.digest(in));
      }
      storage.replace(out, stream -> Files.copy(local, stream));
      storage.replace(description, Json.pretty(said));
      long bytes = Files.size(local);
      reporter.say(
          String.format(
              Locale.ROOT,
              "Exported %s: %,d bytes; largest difference from the model %.1e of the largest value%s",
              out,
              bytes,
              compared.difference(),
              codebookSizes().length == 0
                  ? ""
                  : String.format(
                      Locale.ROOT, ", %.2f %% of the codes equal", 100 * compared.equalCodes())));
      return new Exported(out, description, bytes, compared.difference(), compared.equalCodes());
    } finally {
      Files.deleteIfExists(local);
    }
  }

  private void write(ServingProgram program, Path local) throws IOException {
    program.write(new BufferedOutputStream(Files.newOutputStream(local), 1 << 16));
  }

  private Compared vectors(Path local, Map<String, Object> description) throws IOException {
    write(ServingProgram.ofVectors(checkpoint), local);
    int channels = checkpoint.layout().channels();
    description.put("methods", List.of("encode", "decode", "forward"));
    description.put("vectors", List.of("N", channels));
    codes(description, List.of("N", codebookSizes().length));
    try (LoadedModel loaded = LoadedModel.of(checkpoint);
        NDManager scope = loaded.manager().newSubManager()) {
      NDArray x = normal(scope, new Shape(VECTORS, channels));
      NDArray codes = loaded.quantizer().codes(x, loaded.parameters());
      return compared(
          load(scope, local), x, codes, loaded.quantizer().decode(codes, loaded.parameters()));
    }
  }

  private Compared photos(Path local, Settings settings, Map<String, Object> said)
      throws IOException {
    Backbones backbones = new Backbones(storage, settings, reporter);
    Backbones.Shipped shipped = backbones.ship(session.spark());
    TrainedModels.check(path, checkpoint, "--model " + shipped.file().name(), shipped.sha256());
    boolean half = backbones.embeddingType() == ElementType.F16;
    Path file = shipped.path();
    write(
        ServingProgram.ofPhotos(
            checkpoint,
            EmbeddedProgram.open(file),
            shipped.file().output(),
            shipped.file().windows(),
            half),
        local);
    Batch.Layout layout = checkpoint.layout();
    boolean coded = codebookSizes().length > 0;
    describe(said, backbones.settings(), shipped, coded);
    try (LoadedModel loaded = LoadedModel.of(checkpoint);
        NDManager scope = loaded.manager().newSubManager()) {
      Backbone backbone = shipped.load(Device.cpu());
      int side = layout.size();
      NDList codes = new NDList();
      NDList logits = new NDList();
      NDArray x = normal(scope, new Shape(PHOTOS, 3, side, side));
      for (int i = 0; i < PHOTOS; i++) {
        NDArray features = backbone.features(x.get(i + ":" + (i + 1)));
        NDArray stored =
            half
                ? features.toType(DataType.FLOAT16, false).toType(DataType.FLOAT32, false)
                : features;
        if (coded) {
          codes.add(loaded.model().codes(stored, loaded.parameters()));
        }
        NDArray scores = loaded.model().scores(stored, loaded.parameters());
        logits.add(NativeKernels.upsample(scores, scope.zeros(new Shape(side, side))));
      }
      NDArray all =
          coded
              ? NDArrays.concat(codes)
                  .reshape(-1, layout.height(), layout.width(), codebookSizes().length)
              : null;
      return compared(load(scope, local), x, all, NDArrays.concat(logits));
    }
  }

  private LoadedProgram load(NDManager manager, Path local) {
    try {
      return LoadedProgram.load(manager, local);
    } catch (EngineException e) {
      throw SqueezeException.input(
          ("The backbone of %s cannot be a part of another program (%s): it takes one that torch.jit.save"
                  + " wrote, with one tensor in and one out")
              .formatted(path, String.valueOf(e.getMessage()).lines().findFirst().orElse("")),
          e);
    }
  }

  /** Calls every method, and refuses a program that gives something else than the model. */
  private Compared compared(LoadedProgram program, NDArray x, NDArray codes, NDArray outputs) {
    double equal = 1;
    NDArray found;
    if (codes == null) {
      found = program.call("forward", x);
    } else {
      NDArray own = program.call("encode", x);
      equal = own.eq(codes).toType(DataType.FLOAT32, false).mean().getFloat();
      found = program.call("decode", codes);
      NDArray whole = program.call("forward", x);
      NDArray byCodes = program.call("decode", own);
      if (!whole.allClose(byCodes)) {
        throw new IllegalStateException("forward is not decode of encode");
      }
    }
    double largest = Math.max(1e-6, outputs.abs().max().getFloat());
    double difference = found.sub(outputs).abs().max().getFloat() / largest;
    if (!(difference <= ROUNDING) || equal < 1 - TIES) {
      throw new IllegalStateException(
          "The program gives something else than the model: outputs differ by %.1e of the largest, %.2f %% of the codes are equal"
              .formatted(difference, 100 * equal));
    }
    return new Compared(difference, equal);
  }

  private static NDArray normal(NDManager manager, Shape shape) {
    SplittableRandom random = Seeds.random(0, "export");
    return Torch.floats(
        manager,
        shape,
        values -> {
          while (values.hasRemaining()) {
            values.put((float) Seeds.gaussian(random));
          }
        });
  }

  private void describe(
      Map<String, Object> description, Settings photos, Backbones.Shipped shipped, boolean coded) {
    Batch.Layout layout = checkpoint.layout();
    description.put("methods", coded ? List.of("forward", "encode", "decode") : List.of("forward"));
    Map<String, Object> input = new LinkedHashMap<>();
    input.put("shape", List.of("B", 3, layout.size(), layout.size()));
    input.put("resize", photos.image().resize());
    input.put("crop", photos.image().squash() ? "squash" : "center");
    input.put("size", photos.image().size());
    input.put("interpolation", "bilinear, antialiased, as PIL and torchvision resize");
    input.put("scale", "RGB / 255, minus mean, by std");
    input.put("mean", photos.image().mean());
    input.put("std", photos.image().std());
    description.put("photos", input);
    description.put(
        "logits", List.of("B", checkpoint.classNames().size(), layout.size(), layout.size()));
    if (coded) {
      codes(description, List.of("B", layout.height(), layout.width(), codebookSizes().length));
    }
    description.put("classes", checkpoint.classNames());
    description.put("palette", checkpoint.palette());
    description.put("backbone", shipped.file().name());
    description.put("backbone_sha256", shipped.sha256());
  }

  private void codes(Map<String, Object> description, List<?> shape) {
    description.put("codes", Map.of("shape", shape, "sizes", codebookSizes()));
    description.put("quantizer", checkpoint.settings().quantizer().type());
  }
}
