package io.squeeze.backbone;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.BackboneSettings.Layout;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.golden.Golden;
import io.squeeze.golden.HashWeights;
import io.squeeze.image.Preprocessing;
import io.squeeze.segment.ForwardContext;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.storage.Storage;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import io.squeeze.weights.StateDict;
import io.squeeze.weights.TensorSource;
import io.squeeze.weights.TorchSave;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files in the official format, filled by a hash, against torchvision's features. */
class OfficialBackboneTest {
  private static final Preprocessing PREPROCESSING =
      Preprocessing.from(Settings.defaults().image());

  @TempDir private Path folder;

  @BeforeAll
  static void startTorch() {
    Torch.start(2);
  }

  private Path packed(Architecture network, Precision precision, Path weights) throws Exception {
    return new Packing(network, precision, folder, false)
        .checkpoint(Storage.local(), weights.toString(), BackboneFile.digest(weights));
  }

  private static Backbone load(Path program, Precision precision) {
    BackboneFile file =
        BackboneFile.of("net", program, PREPROCESSING, precision, BackboneFile.Output.GRID);
    return TorchScriptBackbone.shared(file, program, Device.cpu());
  }

  private static float[] features(Backbone backbone) {
    try (NDManager manager = Torch.manager(Device.cpu())) {
      float[] input = HashWeights.images();
      var images = Torch.floats(manager, new Shape(2, 3, 224, 224), b -> b.put(input));
      return Torch.tensor(backbone.features(images)).floats();
    }
  }

  @Test
  void vitFromAPthFileIsTorchvisions() throws Exception {
    Path weights = TorchSave.zip(folder.resolve("vit.pth"), HashWeights.stateDict("vit_b_32"));
    Path program = packed(new VitB32(), Precision.FP32, weights);
    Backbone vit = load(program, Precision.FP32);
    assertThat(vit.grid()).isEqualTo(new Grid(768, 7, 7));
    assertThat(vit.stride()).isEqualTo(32);
    assertThat(load(program, Precision.FP32)).isSameAs(vit);
    float[] expected = new Golden("vit_b_32").floats("features");
    // float32_error of the goldens is 5.6e-6: at most 10 times that.
    assertThat(features(vit)).containsExactly(expected, within(5.6e-5f));
    assertThat(packed(new VitB32(), Precision.FP32, weights)).isEqualTo(program);
    theProgramOfAllTokensHasTheSameGrid(weights, vit);

    Assumptions.assumeTrue(Precision.cpuHas("avx512_bf16"));
    float[] half = features(load(packed(new VitB32(), Precision.BF16, weights), Precision.BF16));
    assertThat(relativeError(half, expected)).isBetween(1e-4, 0.03);
  }

  private void theProgramOfAllTokensHasTheSameGrid(Path weights, Backbone vit) throws Exception {
    Path program = packed(new VitB32().withTokens().orElseThrow(), Precision.FP32, weights);
    BackboneFile file =
        BackboneFile.of(
            "net",
            program,
            PREPROCESSING,
            Precision.FP32,
            new BackboneFile.Output(Layout.TOKENS, 1));
    Backbone tokens = TorchScriptBackbone.shared(file, program, Device.cpu());
    assertThat(tokens.grid()).isEqualTo(vit.grid());
    assertThat(features(tokens)).isEqualTo(features(vit));
    try (NDManager manager = Torch.manager(Device.cpu())) {
      float[] input = HashWeights.images();
      var images = Torch.floats(manager, new Shape(2, 3, 224, 224), b -> b.put(input));
      assertThat(tokens.outputs(images).token().getShape()).isEqualTo(new Shape(2, 768));
      assertThat(vit.outputs(images).token()).isNull();
    }
  }

  @Test
  void deepLabFromAPthFileIsTorchvisions() throws Exception {
    Path weights =
        TorchSave.zip(folder.resolve("deeplab.pth"), HashWeights.stateDict("deeplabv3_resnet50"));
    Backbone deeplab =
        load(packed(new DeepLabV3ResNet50(), Precision.FP32, weights), Precision.FP32);
    assertThat(deeplab.grid()).isEqualTo(new Grid(2048, 28, 28));
    float[] found = features(deeplab);
    Golden golden = new Golden("deeplabv3_resnet50");
    float[] channels = golden.floats("features_channels_0_128_step");
    double[] means = golden.doubles("channel_mean");
    double[] largest = golden.doubles("channel_absmax");
    int plane = 28 * 28;
    float tolerance = 4.9e-4f; // 10 times float32_error
    for (int c = 0; c < 2 * 2048; c++) {
      double sum = 0;
      double max = 0;
      for (int i = 0; i < plane; i++) {
        float value = found[c * plane + i];
        sum += value;
        max = Math.max(max, Math.abs(value));
        if (c % 128 == 0) {
          assertThat(value).isCloseTo(channels[c / 128 * plane + i], within(tolerance));
        }
      }
      assertThat(sum / plane).isCloseTo(means[c], within((double) tolerance));
      assertThat(max).isCloseTo(largest[c], within((double) tolerance));
    }
    assertThat(logitsEvery16(found, weights))
        .containsExactly(golden.floats("logits_step16"), within(1e-3f));

    Assumptions.assumeTrue(Precision.cpuHas("avx512_bf16"));
    float[] half =
        features(load(packed(new DeepLabV3ResNet50(), Precision.BF16, weights), Precision.BF16));
    assertThat(relativeError(half, found)).isBetween(1e-4, 0.03);
  }

  /** The whole network's answer, by the head that the same file holds: [2, 21, 14, 14]. */
  private static float[] logitsEvery16(float[] features, Path weights) throws Exception {
    SqueezeModel model =
        new SqueezeModel(
            Settings.defaults().with("quantizer.type", "none").with("train.head", "deeplab"),
            2048,
            21);
    Map<String, HostTensor> tensors = model.initial(1);
    try (StateDict dict = StateDict.open(Storage.local(), weights.toString())) {
      for (Map.Entry<String, HostTensor> entry : tensors.entrySet()) {
        String name = "classifier." + entry.getKey().substring("head.".length());
        entry.setValue(HostTensor.of(dict.tensors().get(name)));
      }
    }
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, tensors)) {
      var grid = Torch.floats(manager, new Shape(2, 2048, 28, 28), b -> b.put(features));
      var size = manager.zeros(new Shape(224, 224));
      var logits = model.forward(grid, size, parameters, ForwardContext.NONE).logits();
      float[] all = Torch.tensor(logits).floats();
      float[] some = new float[2 * 21 * 14 * 14];
      for (int i = 0; i < some.length; i++) {
        some[i] = all[i / 196 * 224 * 224 + i / 14 % 14 * 16 * 224 + i % 14 * 16];
      }
      return some;
    }
  }

  private static double relativeError(float[] found, float[] expected) {
    double error = 0;
    double norm = 0;
    for (int i = 0; i < found.length; i++) {
      error += Math.pow(found[i] - expected[i], 2);
      norm += Math.pow(expected[i], 2);
    }
    return Math.sqrt(error / norm);
  }

  @Test
  void whatIsMissingUnexpectedMisshapenOrNotFiniteIsNamed() throws Exception {
    Map<String, TensorSource> tensors =
        new LinkedHashMap<>(HashWeights.stateDict("deeplabv3_resnet50"));
    tensors.keySet().removeIf(name -> name.contains("classifier"));
    TensorSource conv = tensors.remove("backbone.conv1.weight");
    tensors.put("backbone.stem.weight", conv);
    assertRefused(
        tensors, "1 missing (backbone.conv1.weight); 1 unexpected (backbone.stem.weight)");
    tensors.remove("backbone.stem.weight");
    tensors.put("backbone.conv1.weight", HostTensor.full(0, 64, 3, 3, 3));
    assertRefused(
        tensors, "backbone.conv1.weight should be floating [64, 3, 7, 7], found F32 [64, 3, 3, 3]");
    tensors.put("backbone.conv1.weight", HostTensor.full(Float.NaN, 64, 3, 7, 7));
    assertRefused(tensors, "backbone.conv1.weight of ");
    try (var left = Files.list(folder)) {
      assertThat(left.map(p -> p.getFileName().toString())).containsExactly("weights.pth");
    }
  }

  private void assertRefused(Map<String, TensorSource> tensors, String reason) throws Exception {
    Path weights = TorchSave.zip(folder.resolve("weights.pth"), tensors);
    assertThatThrownBy(() -> packed(new DeepLabV3ResNet50(), Precision.FP32, weights))
        .isInstanceOfSatisfying(
            SqueezeException.class,
            e -> assertThat(e.category()).isEqualTo(SqueezeException.Category.INPUT))
        .hasMessageContaining(reason)
        .hasMessageContaining("--weights");
  }

  @Test
  void filesOfOlderTorchvisionsHaveOtherNames() {
    assertThat(new VitB32().canonical("encoder.layers.encoder_layer_3.mlp.linear_2.bias"))
        .isEqualTo("encoder.layers.encoder_layer_3.mlp.3.bias");
  }

  @Test
  void halfPrecisionOnACpuIsRefused() throws Exception {
    Path program = Files.writeString(folder.resolve("any.pt"), "any");
    assertThatThrownBy(() -> load(program, Precision.FP16))
        .hasMessageContaining("--precision fp16 is for GPUs");
  }

  @Test
  void aFileThatIsNoProgramIsAClearError() throws Exception {
    Path file = Files.writeString(folder.resolve("notes.pt"), "no program");
    assertThatThrownBy(() -> load(file, Precision.FP32))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("as a backbone: it is no TorchScript program")
        .hasMessageContaining("--model");
  }
}
