package io.squeeze.segment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.Settings;
import io.squeeze.golden.Golden;
import io.squeeze.segment.SqueezeModel.Output;
import io.squeeze.torch.GradientScope;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class SqueezeModelTest {
  private static final Golden GOLDEN = new Golden("vit_head_small");
  private static final Map<String, String> NAMES =
      Map.of(
          "head.0.weight", "conv1_weight",
          "head.1.weight", "bn_weight",
          "head.1.bias", "bn_bias",
          "head.1.running_mean", "bn_running_mean",
          "head.1.running_var", "bn_running_var",
          "head.3.weight", "conv2_weight",
          "head.3.bias", "conv2_bias");

  private static final ForwardContext STEP = new ForwardContext(1, 0, List.of("a", "b"));
  private final SqueezeModel model =
      new SqueezeModel(Settings.defaults().with("quantizer.type", "none"), 12, 4);

  @BeforeAll
  static void startTorch() {
    Torch.start(1);
  }

  private static Map<String, HostTensor> tensors() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    NAMES.forEach((name, golden) -> tensors.put(name, GOLDEN.tensor(golden)));
    return tensors;
  }

  @Test
  void theHeadEvaluatesAsTorchs() {
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, tensors())) {
      NDArray target = GOLDEN.indices(manager, "target");
      Output output =
          model.forward(GOLDEN.array(manager, "input"), target, parameters, ForwardContext.NONE);
      assertClose(output.logits(), "eval_logits_56x56");
    }
  }

  /** Batch norm with its running statistics, then a product with each class's weights. */
  @Test
  void theLinearHeadScoresEveryVectorByItself() {
    SqueezeModel linear =
        new SqueezeModel(
            Settings.defaults().with("quantizer.type", "none").with("train.head", "linear"), 2, 2);
    Map<String, HostTensor> tensors = new LinkedHashMap<>(linear.initial(1));
    tensors.put("head.0.running_mean", HostTensor.of(new float[] {1, 2}, 2));
    tensors.put("head.0.running_var", HostTensor.of(new float[] {4, 1}, 2));
    tensors.put("head.1.weight", HostTensor.of(new float[] {1, 2, -1, 0.5f}, 2, 2, 1, 1));
    tensors.put("head.1.bias", HostTensor.of(new float[] {0.25f, 0}, 2));
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, tensors)) {
      NDArray features = manager.create(new float[] {3, 5, 4, 1}, new Shape(1, 2, 1, 2));
      // (3 - 1) / 2 = 1 and (4 - 2) / 1 = 2; (5 - 1) / 2 = 2 and (1 - 2) / 1 = -1.
      assertThat(Torch.tensor(linear.scores(features, parameters)).floats())
          .containsExactly(new float[] {5.25f, 0.25f, 0, -2.5f}, within(1e-4f));
    }
  }

  @Test
  void lossGradientsAndRunningStatisticsAreTorchs() {
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, tensors())) {
      parameters.train(model.trained());
      NDArray target = GOLDEN.indices(manager, "target");
      GradientScope gradients = new GradientScope();
      try (gradients) {
        Output output = model.forward(GOLDEN.array(manager, "input"), target, parameters, STEP);
        NDArray loss = model.loss(output, target).total();
        gradients.backward(loss);
        assertThat(loss.getFloat())
            .isCloseTo(GOLDEN.floats("train_ce_ignore255")[0], within(1e-5f));
      }
      for (String name : model.trained()) {
        assertClose(gradients.gradient(parameters.get(name)), "grad_" + NAMES.get(name));
      }
      assertClose(parameters.get("head.1.running_mean"), "train_running_mean_after");
      assertClose(parameters.get("head.1.running_var"), "train_running_var_after");
    }
  }

  private static void assertClose(NDArray actual, String golden) {
    assertThat(Torch.tensor(actual).floats()).containsExactly(GOLDEN.floats(golden), within(2e-5f));
  }

  @Test
  void anAdapterBeginsAsNothingAndHasAboutTheParametersAskedFor() {
    assertThat(Adapter.of(768, 15_000_000))
        .isEqualTo(new Adapter(768, 1952))
        .extracting(Adapter::parameters)
        .isEqualTo(14_997_984L);
    assertThat(Adapter.of(2048, 15_000_000).parameters()).isEqualTo(14_995_604L);
    Settings settings =
        Settings.defaults()
            .with("quantizer.type", "none")
            .with("train.adapter", "true")
            .with("train.adapter-params", "2000");
    SqueezeModel adapted = new SqueezeModel(settings, 12, 4);
    Map<String, HostTensor> tensors = new LinkedHashMap<>(adapted.initial(1));
    tensors.putAll(tensors());
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, tensors)) {
      NDArray target = GOLDEN.indices(manager, "target");
      NDArray input = GOLDEN.array(manager, "input");
      assertClose(
          adapted.forward(input, target, parameters, ForwardContext.NONE).logits(),
          "eval_logits_56x56");
      parameters.train(adapted.trained());
      try (GradientScope gradients = new GradientScope()) {
        Output output = adapted.forward(input, target, parameters, STEP);
        gradients.backward(adapted.loss(output, target).total());
      }
      NDArray gradient = parameters.get("adapter.3.weight").getGradient();
      assertThat(gradient.abs().sum().getFloat()).isPositive();
    }
  }

  @Test
  void withoutAHeadTheLossIsTheReconstructions() {
    Settings settings =
        Settings.defaults().with("train.head", "none").with("quantizer.type", "fsq");
    SqueezeModel model = new SqueezeModel(settings, 12, 0);
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, model.initial(1))) {
      NDArray input = GOLDEN.array(manager, "input");
      Output output = model.forward(input, input, parameters, ForwardContext.NONE);
      float error =
          output.quantized().vectors().sub(SqueezeModel.rows(input)).square().mean().getFloat();
      assertThat(model.loss(output, input).total().getFloat()).isEqualTo(error);
      assertThat(model.trained()).allMatch(name -> name.startsWith("quantizer."));
    }
  }
}
