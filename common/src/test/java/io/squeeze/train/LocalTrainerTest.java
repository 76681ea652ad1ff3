package io.squeeze.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.storage.Storage;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import io.squeeze.train.LocalTrainer.Result;
import io.squeeze.train.LocalTrainer.Steps;
import io.squeeze.weights.HostTensor;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LocalTrainerTest {
  private static final Batch.Layout LAYOUT = new Batch.Layout(6, 3, 3, 12);
  private static final Settings SETTINGS =
      Settings.load(
          List.of(
              ConfigFactory.parseString(
                  "quantizer.codebook-size = 8, quantizer.bottleneck-dim = 4, train.lr = 1e-2")));

  private final SqueezeModel model = new SqueezeModel(SETTINGS, 6, 3);
  private final LocalTrainer trainer =
      new LocalTrainer(model, LAYOUT, SETTINGS.train(), 5, Device.cpu());

  @BeforeAll
  static void startTorch() {
    Torch.start(1);
  }

  private static List<Example> examples(int count) {
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      SplittableRandom random = Seeds.random(i, "example");
      byte[] mask = new byte[144];
      for (int p = 0; p < mask.length; p++) {
        mask[p] = (byte) (p == 0 ? 255 : p * 3 / mask.length);
      }
      HostTensor features = HostTensor.uniform(random, 1, 6, 3, 3);
      examples.add(new Example("sample_" + i, features.bytes(), mask));
    }
    return examples;
  }

  private ModelState start() {
    return ModelState.start(model, model.initial(5));
  }

  private static void assertSame(ModelState a, ModelState b) {
    assertThat(a.tensors().keySet()).containsExactlyElementsOf(b.tensors().keySet());
    a.tensors()
        .forEach(
            (name, tensor) ->
                assertThat(tensor.bytes()).as(name).isEqualTo(b.tensors().get(name).bytes()));
  }

  @Test
  void anEpochIsTheSameInOneGoInPartsAndInAnyOrderOfArrival() {
    List<Example> examples = examples(10);
    Result whole = trainer.train(start(), examples, new Steps(0, 0, 99));
    assertThat(whole.samples()).isEqualTo(10);
    List<Example> shuffled = new ArrayList<>(examples);
    Collections.reverse(shuffled);
    Result first = trainer.train(start(), shuffled, new Steps(0, 0, 2));
    Result second = trainer.train(first.state(), examples, new Steps(0, 2, 3));
    assertSame(second.state(), whole.state());
    assertThat(first.confusion().plus(second.confusion()).counts())
        .isEqualTo(whole.confusion().counts());
  }

  @Test
  void trainingLowersTheLoss() {
    List<Example> examples = examples(12);
    ModelState state = start();
    double before = trainer.evaluate(state, examples).lossSum();
    for (int epoch = 0; epoch < 8; epoch++) {
      state = trainer.train(state, examples, new Steps(epoch, 0, 99)).state();
    }
    assertThat(trainer.evaluate(state, examples).lossSum()).isLessThan(before * 0.8);
  }

  @Test
  void featuresThatAreNotFiniteEndTheTraining() {
    Example bad = new Example("bad", HostTensor.full(Float.NaN, 6, 3, 3).bytes(), new byte[144]);
    assertThatThrownBy(() -> trainer.train(start(), List.of(bad), new Steps(0, 0, 1)))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("The loss of epoch 1, batch 1 is NaN");
  }

  @Test
  void theAverageOfOneStateIsThatStateAndOfTwoTheirWeightedMean() {
    ModelState one = trainer.train(start(), examples(6), new Steps(0, 0, 9)).state();
    ModelState two =
        trainer.train(start(), examples(12).subList(6, 12), new Steps(0, 0, 9)).state();
    ModelState average =
        StateAverager.average(
            StateAverager.add(List.of(StateAverager.of(one, 6), StateAverager.of(two, 18))),
            model.quantizer());
    float[] a = one.tensors().get("head.3.bias").floats();
    float[] b = two.tensors().get("head.3.bias").floats();
    float[] mean = average.tensors().get("head.3.bias").floats();
    for (int i = 0; i < mean.length; i++) {
      assertThat(mean[i]).isEqualTo((float) ((6.0 * a[i] + 18.0 * b[i]) / 24));
    }
    assertThat(average.tensors().get("optimizer.step").longValue()).isEqualTo(2);

    Map<String, HostTensor> alone =
        StateAverager.average(StateAverager.of(one, 7), model.quantizer()).tensors();
    Map<String, HostTensor> expected = new LinkedHashMap<>(one.tensors());
    model.quantizer().rebuild(expected);
    assertSame(new ModelState(alone), new ModelState(expected));
  }

  /** Arithmetic of torch.optim.AdamW, in double: betas .9 and .999, eps behind the correction. */
  @Test
  void theOptimizerIsTorchs() {
    double w = 0.5;
    double m = 0;
    double v = 0;
    double[] gradients = {0.3, -2, 1e-4};
    try (NDManager manager = Torch.manager(Device.cpu())) {
      List<NDArray> weight = List.of(Torch.floats(manager, new Shape(1), b -> b.put(0.5f)));
      List<NDArray> first = List.of(manager.zeros(new Shape(1)));
      List<NDArray> second = List.of(manager.zeros(new Shape(1)));
      for (int t = 1; t <= gradients.length; t++) {
        double g = gradients[t - 1];
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        w -= 0.1 * 0.01 * w;
        w -= 0.1 * m / (1 - Math.pow(0.9, t)) / (Math.sqrt(v / (1 - Math.pow(0.999, t))) + 1e-8);
        float step = t;
        List<NDArray> gradient =
            List.of(Torch.floats(manager, new Shape(1), b -> b.put((float) g)));
        List<NDArray> steps = List.of(Torch.floats(manager, new Shape(), b -> b.put(step)));
        NativeKernels.adamw(weight, gradient, first, second, steps, 0.1, 0.01);
        assertThat(weight.get(0).getFloat()).isCloseTo((float) w, within(2e-6f));
      }
    }
  }

  @Test
  void aCheckpointReadsBackAndIsCheckedAgainstItsSettings(@TempDir Path folder) throws Exception {
    Checkpoint checkpoint =
        new Checkpoint(
            start(),
            SETTINGS.trainingJson(),
            LAYOUT,
            List.of("a", "b", "c"),
            List.of(1, 2, 3),
            "digest",
            3,
            Double.NaN);
    Path file = folder.resolve("last.ckpt");
    try (OutputStream out = Files.newOutputStream(file)) {
      checkpoint.write(out);
    }
    Checkpoint back = Checkpoint.read(Storage.local(), file.toString());
    assertSame(back.state(), checkpoint.state());
    assertThat(back.settings().quantizer()).isEqualTo(SETTINGS.quantizer());
    assertThat(back.epoch()).isEqualTo(3);

    Map<String, HostTensor> fewer = new LinkedHashMap<>(start().tensors());
    fewer.remove("head.3.bias");
    try (OutputStream out = Files.newOutputStream(file)) {
      new Checkpoint(
              new ModelState(fewer),
              SETTINGS.trainingJson(),
              LAYOUT,
              List.of("a", "b", "c"),
              List.of(1, 2, 3),
              "digest",
              3,
              0)
          .write(out);
    }
    assertThatThrownBy(() -> Checkpoint.read(Storage.local(), file.toString()))
        .hasMessageContaining("head.3.bias should be [3], found nothing");
    assertThatThrownBy(() -> Checkpoint.read(Storage.local(), folder + "/no.ckpt"))
        .hasMessageContaining("No checkpoint at");
  }
}
