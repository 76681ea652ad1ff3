package io.squeeze.jobs.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.typesafe.config.ConfigFactory;
import io.squeeze.backbone.Backbone;
import io.squeeze.backbone.BackboneFile;
import io.squeeze.backbone.BackboneFile.Output;
import io.squeeze.backbone.TorchScriptBackbone;
import io.squeeze.config.BackboneSettings.Layout;
import io.squeeze.config.ImageSettings.Windows;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.image.Preprocessing;
import io.squeeze.jobs.TinyBackbone;
import io.squeeze.quantize.Quantizer.Mode;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.torch.EmbeddedProgram;
import io.squeeze.torch.LoadedProgram;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Checkpoint.Config;
import io.squeeze.train.Checkpoint.Progress;
import io.squeeze.train.ModelState;
import io.squeeze.weights.HostTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.zip.ZipException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Programs that are written, loaded by libtorch, and compared with the model. */
class ServingProgramTest {
  private static final int SIDE = 224;

  @TempDir static Path folder;
  private static Path backbone;

  @BeforeAll
  static void start() throws IOException {
    Torch.start(1);
    backbone = TinyBackbone.write(folder.resolve("tiny.pt"), 1);
  }

  /** A model with random tensors, as if it had been trained. */
  private static Checkpoint checkpoint(String hocon) {
    Settings settings = Settings.load(List.of(ConfigFactory.parseString(hocon)));
    Batch.Layout layout = new Batch.Layout(24, 14, 14, SIDE);
    SqueezeModel model = new SqueezeModel(settings, 24, 3);
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    model
        .initial(5)
        .forEach(
            (name, tensor) -> {
              SplittableRandom random = Seeds.random(7, name);
              boolean moved = name.contains("running") || name.startsWith("adapter.3");
              tensors.put(name, moved ? HostTensor.uniform(random, 0.4, tensor.shape()) : tensor);
              if (name.endsWith("running_var")) {
                tensors.put(name, HostTensor.full(0.7f, tensor.shape()));
              }
            });
    return new Checkpoint(
        new ModelState(tensors),
        Config.of(settings),
        layout,
        List.of("a", "b", "c"),
        List.of(1, 2, 3),
        "",
        1,
        new Progress(0, 0, true));
  }

  private static NDArray random(NDManager manager, long... shape) {
    SplittableRandom random = Seeds.random(3, "photos");
    return Torch.floats(
        manager,
        new Shape(shape),
        values -> {
          while (values.hasRemaining()) {
            values.put((float) Seeds.gaussian(random));
          }
        });
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "quantizer { type = vq, codebook-size = 32 }",
        "quantizer { type = vq, codebook-size = 32, cosine = true, bottleneck-dim = none }, train.adapter = true",
        "quantizer { type = fsq }, train.head = linear",
        "quantizer { type = fsq, fsq { levels = [4, 2, 3], symmetric = true } }",
        "quantizer { type = lfq, codebook-size = 64, codebooks = 2 }",
        "quantizer { type = rvq, codebook-size = 16 }, train.head = deeplab",
        "quantizer { type = rvq, codebook-size = [16, 8, 4], beam = 4 }",
        "quantizer { type = pq, codebook-size = 16, bottleneck-dim = 8, num-quantizers = 2 }"
      })
  void everyTypeGivesTheCodesAndLogitsOfTheModel(String hocon) throws IOException {
    Checkpoint checkpoint = checkpoint(hocon);
    Path file = folder.resolve("model.pt");
    ServingProgram.ofPhotos(checkpoint, EmbeddedProgram.open(backbone), Output.GRID, null, false)
        .write(Files.newOutputStream(file));
    SqueezeModel model = checkpoint.model();
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, checkpoint.state().tensors())) {
      NDArray photos = random(manager, 2, 3, SIDE, SIDE);
      NDArray features = LoadedProgram.load(manager, backbone).call("forward", photos);
      NDArray codes = model.quantize(features, parameters).codes();
      LoadedProgram program = LoadedProgram.load(manager, file);
      NDArray found = program.call("encode", photos);
      assertThat(found.getShape())
          .isEqualTo(new Shape(2, 14, 14, model.quantizer().codebookSizes().length));
      double equal =
          found
              .reshape(codes.getShape())
              .eq(codes)
              .toType(DataType.FLOAT32, false)
              .mean()
              .getFloat();
      // A vector between two codewords may get the other one.
      assertThat(equal).as(hocon).isGreaterThan(0.995);
      NDArray scores = model.scores(codes, 14, 14, parameters);
      NDArray logits = NativeKernels.upsample(scores, manager.zeros(new Shape(SIDE, SIDE)));
      NDArray decoded = program.call("decode", codes.reshape(2, 14, 14, -1));
      assertClose(decoded, logits, hocon);
      assertClose(program.call("forward", photos), program.call("decode", found), hocon);
    }
  }

  private static void assertClose(NDArray found, NDArray expected, String as) {
    assertThat(found.getShape()).isEqualTo(expected.getShape());
    double largest = expected.abs().max().getFloat();
    assertThat(found.sub(expected).abs().max().getFloat() / largest).as(as).isLessThan(1e-4);
  }

  @Test
  void withoutCodesThereIsForwardAlone() throws IOException {
    Checkpoint checkpoint = checkpoint("quantizer.type = none");
    Path file = folder.resolve("none.pt");
    ServingProgram.ofPhotos(
            checkpoint, EmbeddedProgram.open(backbone), new Output(Layout.NHWC, 0), null, true)
        .write(Files.newOutputStream(file));
    assertThat(Files.size(file)).isPositive();
    ServingProgram.ofPhotos(checkpoint, EmbeddedProgram.open(backbone), Output.GRID, null, true)
        .write(Files.newOutputStream(file));
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, checkpoint.state().tensors())) {
      NDArray photos = random(manager, 1, 3, SIDE, SIDE);
      NDArray features = LoadedProgram.load(manager, backbone).call("forward", photos);
      NDArray stored = features.toType(DataType.FLOAT16, false).toType(DataType.FLOAT32, false);
      NDArray scores = checkpoint.model().scores(stored, parameters);
      NDArray logits = NativeKernels.upsample(scores, manager.zeros(new Shape(SIDE, SIDE)));
      assertClose(LoadedProgram.load(manager, file).call("forward", photos), logits, "none");
    }
  }

  @Test
  void windowsSlideWithinTheProgram() throws IOException {
    Checkpoint checkpoint = checkpoint("quantizer.type = none");
    Windows windows = new Windows(128, 70);
    Path file = folder.resolve("windows.pt");
    ServingProgram.ofPhotos(checkpoint, EmbeddedProgram.open(backbone), Output.GRID, windows, false)
        .write(Files.newOutputStream(file));
    BackboneFile whole =
        BackboneFile.of("tiny", backbone, Preprocessing.from(Settings.defaults().image()));
    Backbone windowed = TorchScriptBackbone.shared(whole.over(windows), backbone, Device.cpu());
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, checkpoint.state().tensors())) {
      NDArray photos = random(manager, 2, 3, SIDE, SIDE);
      NDArray features = windowed.features(photos);
      NDArray seen = TorchScriptBackbone.shared(whole, backbone, Device.cpu()).features(photos);
      assertThat(features.getShape()).isEqualTo(seen.getShape());
      // The cells of this backbone see nothing of each other.
      assertThat(features.allClose(seen)).isTrue();
      NDArray scores = checkpoint.model().scores(features, parameters);
      NDArray logits = NativeKernels.upsample(scores, manager.zeros(new Shape(SIDE, SIDE)));
      assertClose(LoadedProgram.load(manager, file).call("forward", photos), logits, "windows");
    }
  }

  @Test
  void theQuantizerOfATableEncodesAndDecodesVectors() throws IOException {
    for (String hocon :
        List.of(
            "quantizer { type = scalar, scalar.levels = [5, 3, 2], centred = true }",
            "quantizer { type = rvq, codebook-size = 16, beam = 8, centred = true }")) {
      Checkpoint checkpoint = checkpoint(hocon + ", train.head = none");
      Path file = folder.resolve("table.pt");
      ServingProgram.ofVectors(checkpoint).write(Files.newOutputStream(file));
      try (NDManager manager = Torch.manager(Device.cpu());
          Parameters parameters = new Parameters(manager, checkpoint.state().tensors())) {
        NDArray vectors = random(manager, 256, 24);
        NDArray codes =
            checkpoint.model().quantizer().quantize(vectors, parameters, Mode.EVALUATION).codes();
        LoadedProgram program = LoadedProgram.load(manager, file);
        NDArray found = program.call("encode", vectors);
        assertThat(found.eq(codes).toType(DataType.FLOAT32, false).mean().getFloat())
            .as(hocon)
            .isGreaterThan(0.995f);
        assertClose(
            program.call("decode", codes),
            checkpoint.model().quantizer().decode(codes, parameters),
            hocon);
      }
    }
  }

  @Test
  void whatIsNoProgramOfAModuleIsRefused() throws IOException {
    Path text = Files.writeString(folder.resolve("text.pt"), "no archive");
    assertThatThrownBy(() -> EmbeddedProgram.open(text)).isInstanceOf(ZipException.class);
  }
}
