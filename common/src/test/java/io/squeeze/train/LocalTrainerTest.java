package io.squeeze.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.OptimizerSettings;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.storage.Storage;
import io.squeeze.torch.Torch;
import io.squeeze.train.LocalTrainer.Result;
import io.squeeze.train.LocalTrainer.TrainingSteps;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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
    return examples(count, LAYOUT.channels());
  }

  private static List<Example> examples(int count, int channels) {
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      SplittableRandom random = Seeds.random(i, "example");
      byte[] mask = new byte[144];
      for (int p = 0; p < mask.length; p++) {
        mask[p] = (byte) (p == 0 ? 255 : p * 3 / mask.length);
      }
      HostTensor features = HostTensor.uniform(random, 1, channels, 3, 3);
      examples.add(new Example("sample_" + i, features.bytes(), mask));
    }
    return examples;
  }

  private ModelState start() {
    return ModelState.start(model, SETTINGS.train().optimizer(), model.initial(5));
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
    Result whole = trainer.train(start(), examples, new TrainingSteps(0, 0, 99, 3));
    assertThat(whole.tally().samples()).isEqualTo(10);
    List<Example> shuffled = new ArrayList<>(examples);
    Collections.reverse(shuffled);
    Result first = trainer.train(start(), shuffled, new TrainingSteps(0, 0, 2, 3));
    Result second = trainer.train(first.state(), examples, new TrainingSteps(0, 2, 3, 3));
    assertSame(second.state(), whole.state());
    assertThat(first.tally().confusion().plus(second.tally().confusion()).counts())
        .isEqualTo(whole.tally().confusion().counts());
  }

  @ParameterizedTest
  @ValueSource(strings = {"conv", "deeplab"})
  void theStateIsTheSameOnAnyNumberOfThreads(String head) {
    int channels = 80;
    Settings settings =
        SETTINGS
            .with("train.head", head)
            .with("train.adapter", "true")
            .with("train.adapter-params", "50000");
    SqueezeModel wide = new SqueezeModel(settings, channels, 3);
    Batch.Layout layout = new Batch.Layout(channels, 3, 3, 12);
    ModelState first =
        ModelState.start(wide, settings.train().optimizer(), wide.initial(settings.seed()));
    List<ModelState> states = new ArrayList<>();
    try {
      for (int threads : new int[] {1, 2, 4, 8}) {
        Torch.startInPieces(threads);
        LocalTrainer local = new LocalTrainer(wide, layout, settings.train(), 5, Device.cpu());
        TrainingSteps steps = new TrainingSteps(0, 0, 3, 3);
        states.add(local.train(first, examples(8, channels), steps).state());
      }
    } finally {
      Torch.start(1);
    }
    states.forEach(state -> assertSame(state, states.get(0)));
  }

  @Test
  void trainingLowersTheLoss() {
    List<Example> examples = examples(12);
    ModelState state = start();
    double before = trainer.evaluate(state, examples).lossSum();
    for (int epoch = 0; epoch < 8; epoch++) {
      state = trainer.train(state, examples, new TrainingSteps(epoch, 0, 99, 3)).state();
    }
    assertThat(trainer.evaluate(state, examples).lossSum()).isLessThan(before * 0.8);
  }

  @Test
  void featuresThatAreNotFiniteEndTheTraining() {
    Example bad = new Example("bad", HostTensor.full(Float.NaN, 6, 3, 3).bytes(), new byte[144]);
    assertThatThrownBy(() -> trainer.train(start(), List.of(bad), new TrainingSteps(0, 0, 1, 3)))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("The loss of epoch 1, batch 1 is not finite");
  }

  @Test
  void theAverageOfOneStateIsThatStateAndOfTwoTheirWeightedMean() {
    ModelState one = trainer.train(start(), examples(6), new TrainingSteps(0, 0, 9, 3)).state();
    ModelState two =
        trainer.train(start(), examples(12).subList(6, 12), new TrainingSteps(0, 0, 9, 3)).state();
    ModelState average = average(model, List.of(one, two), List.of(6L, 18L));
    float[] a = one.tensors().get("head.3.bias").floats();
    float[] b = two.tensors().get("head.3.bias").floats();
    float[] mean = average.tensors().get("head.3.bias").floats();
    for (int i = 0; i < mean.length; i++) {
      assertThat(mean[i]).isEqualTo((float) ((6.0 * a[i] + 18.0 * b[i]) / 24));
    }
    assertThat(average.tensors().get("optimizer.step").longValue()).isEqualTo(2);

    assertSame(average(model, List.of(one), List.of(7L)), one);
    ModelState twice = average(model, List.of(one, one), List.of(7L, 3L));
    Map<String, HostTensor> expected = new LinkedHashMap<>(one.tensors());
    model.quantizer().rebuild(expected);
    assertSame(twice, new ModelState(expected));
  }

  private static ModelState average(
      SqueezeModel model, List<ModelState> states, List<Long> weights) {
    ModelState like = states.get(0);
    List<byte[]> chunks = new ArrayList<>();
    for (int chunk = 0; chunk < StateAverager.chunks(like); chunk++) {
      StateAverager.Sum sum = new StateAverager.Sum();
      for (int i = 0; i < states.size(); i++) {
        sum.add(StateAverager.chunk(states.get(i), chunk), weights.get(i));
      }
      chunks.add(sum.average());
    }
    Map<String, HostTensor> counters = Map.of();
    for (ModelState state : states) {
      counters = StateAverager.merged(counters, StateAverager.counters(state));
    }
    return StateAverager.assemble(like, chunks, counters, states.size(), model.quantizer());
  }

  @Test
  void aStateOfMoreThanAChunkComesBackWhole() {
    SqueezeModel wide = new SqueezeModel(Settings.defaults(), 256, 3);
    ModelState state = ModelState.start(wide, SETTINGS.train().optimizer(), wide.initial(1));
    assertThat(StateAverager.chunks(state)).isEqualTo(2);
    assertSame(average(wide, List.of(state), List.of(5L)), state);
  }

  /**
   * As DL4J's comparison test: averaging after every step of plain SGD is one step on the whole
   * batch. Batch norm keeps its statistics, since those of a part are not those of the whole.
   */
  @Test
  void averagingEveryStepOfSgdIsOneBigBatch() {
    Settings settings =
        Settings.defaults()
            .with("quantizer.type", "none")
            .with("train.optimizer", "sgd")
            .with("train.momentum", "0")
            .with("train.weight-decay", "0.01")
            .with("train.batch-norm", "frozen")
            .with("train.lr", "0.1")
            .with("train.batch-size", "4");
    SqueezeModel plain = new SqueezeModel(settings, 6, 3);
    List<Example> examples = new ArrayList<>();
    for (Example example : examples(16)) {
      byte[] mask = example.mask().clone();
      mask[0] = 0; // Every sample counts as many pixels.
      examples.add(new Example(example.id(), example.features(), mask));
    }
    LocalTrainer small = new LocalTrainer(plain, LAYOUT, settings.train(), 5, Device.cpu());
    LocalTrainer big =
        new LocalTrainer(
            plain, LAYOUT, settings.with("train.batch-size", "16").train(), 5, Device.cpu());
    ModelState start = ModelState.start(plain, settings.train().optimizer(), plain.initial(5));
    ModelState averaged = start;
    ModelState whole = start;
    for (int epoch = 0; epoch < 5; epoch++) {
      List<ModelState> states = new ArrayList<>();
      for (int shard = 0; shard < 4; shard++) {
        List<Example> part = examples.subList(4 * shard, 4 * shard + 4);
        states.add(small.train(averaged, part, new TrainingSteps(epoch, 0, 1, 1)).state());
      }
      averaged = average(plain, states, List.of(4L, 4L, 4L, 4L));
      whole = big.train(whole, examples, new TrainingSteps(epoch, 0, 1, 1)).state();
    }
    float moved = 0;
    for (String name : plain.trained()) {
      float[] first = start.tensors().get(name).floats();
      float[] expected = whole.tensors().get(name).floats();
      assertThat(averaged.tensors().get(name).floats())
          .as(name)
          .containsExactly(expected, within(2e-6f));
      for (int i = 0; i < first.length; i++) {
        moved = Math.max(moved, Math.abs(first[i] - expected[i]));
      }
    }
    assertThat(moved).isGreaterThan(0.01f);
  }

  @Test
  void theLearningRateWarmsUpAndFallsAlongACosine() {
    OptimizerSettings rates =
        SETTINGS
            .with("train.lr", "1")
            .with("train.schedule", "cosine")
            .with("train.warmup-epochs", "0.5")
            .with("train.min-lr", "0.1")
            .train()
            .optimizer();
    // Ten steps an epoch, five of warm-up, 25 of a cosine.
    assertThat(rates.rate(0, 10, 3)).isEqualTo(0.2);
    assertThat(rates.rate(3, 10, 3)).isEqualTo(0.8);
    assertThat(rates.rate(5, 10, 3)).isEqualTo(1);
    assertThat(rates.rate(5 + 25 / 2, 10, 3))
        .isCloseTo(0.1 + 0.45 * (1 + Math.cos(Math.PI * 12 / 25)), within(1e-12));
    assertThat(rates.rate(30, 10, 3)).isCloseTo(0.1, within(1e-12));
    assertThat(SETTINGS.train().optimizer().rate(7, 10, 3)).isEqualTo(1e-2);
  }

  /**
   * The arithmetic of torch.optim (its documentation's algorithms), in double: betas .9 and .999,
   * eps behind the correction; decay decoupled in AdamW, added to the gradient in Adam and SGD.
   */
  @ParameterizedTest
  @ValueSource(strings = {"adamw", "adam", "sgd"})
  void theOptimizersAreTorchs(String type) {
    double w = 0.5;
    double m = 0;
    double v = 0;
    double[] gradients = {0.3, -2, 1e-4};
    Settings settings =
        SETTINGS
            .with("train.optimizer", type)
            .with("train.weight-decay", "0.01")
            .with("train.clip-norm", "1.5");
    ModelState state =
        new ModelState(
            Map.of(
                "optimizer.step", HostTensor.scalar(0),
                "optimizer.exp_avg.w", HostTensor.full(0, 1),
                "optimizer.exp_avg_sq.w", HostTensor.full(0, 1),
                "optimizer.momentum_buffer.w", HostTensor.full(0, 1)));
    try (NDManager manager = Torch.manager(Device.cpu());
        Optimizer optimizer =
            new Optimizer(manager, state, List.of("w"), settings.train().optimizer())) {
      List<NDArray> weight = List.of(Torch.floats(manager, new Shape(1), b -> b.put(0.5f)));
      for (int t = 1; t <= gradients.length; t++) {
        double g = gradients[t - 1] * Math.min(1, 1.5 / (Math.abs(gradients[t - 1]) + 1e-6));
        if (type.equals("adamw")) {
          w -= 0.1 * 0.01 * w;
        } else {
          g += 0.01 * w;
        }
        m = type.equals("sgd") ? 0.9 * m + g : 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        double denominator = Math.sqrt(v / (1 - Math.pow(0.999, t))) + 1e-8;
        w -= 0.1 * (type.equals("sgd") ? m : m / (1 - Math.pow(0.9, t)) / denominator);
        float raw = (float) gradients[t - 1];
        List<NDArray> gradient = List.of(Torch.floats(manager, new Shape(1), b -> b.put(raw)));
        optimizer.step(weight, gradient, 0.1);
        assertThat(weight.get(0).getFloat()).isCloseTo((float) w, within(2e-6f));
      }
      assertThat(optimizer.tensors().get("optimizer.step").longValue()).isEqualTo(3);
    }
  }

  @Test
  void aCheckpointReadsBackAndIsCheckedAgainstItsSettings(@TempDir Path folder) throws Exception {
    Checkpoint checkpoint =
        new Checkpoint(
            start(),
            Checkpoint.Config.of(SETTINGS),
            LAYOUT,
            List.of("a", "b", "c"),
            List.of(1, 2, 3),
            "digest",
            3,
            new Checkpoint.Progress(0.5, 2, false));
    Path file = folder.resolve("last.ckpt");
    try (OutputStream out = Files.newOutputStream(file)) {
      checkpoint.write(out);
    }
    Checkpoint back = Checkpoint.read(Storage.local(), file.toString());
    assertSame(back.state(), checkpoint.state());
    assertThat(back.settings().quantizer()).isEqualTo(SETTINGS.quantizer());
    assertThat(back.epoch()).isEqualTo(3);
    assertThat(back.progress()).isEqualTo(checkpoint.progress());

    byte[] whole = Files.readAllBytes(file);
    for (int at : List.of(20, whole.length / 3, whole.length - 1)) {
      byte[] flipped = whole.clone();
      flipped[at] ^= 1;
      Files.write(file, flipped);
      assertThatThrownBy(() -> Checkpoint.read(Storage.local(), file.toString()))
          .as("byte %d", at)
          .isInstanceOf(SqueezeException.class);
    }

    Map<String, HostTensor> fewer = new LinkedHashMap<>(start().tensors());
    fewer.remove("head.3.bias");
    try (OutputStream out = Files.newOutputStream(file)) {
      new Checkpoint(
              new ModelState(fewer),
              Checkpoint.Config.of(SETTINGS),
              LAYOUT,
              List.of("a", "b", "c"),
              List.of(1, 2, 3),
              "digest",
              3,
              checkpoint.progress())
          .write(out);
    }
    assertThatThrownBy(() -> Checkpoint.read(Storage.local(), file.toString()))
        .hasMessageContaining("head.3.bias should be [3], found nothing");
    assertThatThrownBy(() -> Checkpoint.read(Storage.local(), folder + "/no.ckpt"))
        .hasMessageContaining("No checkpoint at");
  }
}
