package io.squeeze.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.quantize.Quantizer.Mode;
import io.squeeze.torch.GradientScope;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class QuantizerTest {
  private final NDManager manager = Torch.manager(Device.cpu());

  @BeforeAll
  static void startTorch() {
    Torch.start(1);
  }

  @AfterEach
  void close() {
    manager.close();
  }

  private static QuantizerSettings settings(String options) {
    return Settings.load(List.of(ConfigFactory.parseString("quantizer { " + options + " }")))
        .quantizer();
  }

  private NDArray normal(String purpose, int rows, int width) {
    float[] values = HostTensor.normal(Seeds.random(3, purpose), 1, rows, width).floats();
    return Torch.floats(manager, new Shape(rows, width), b -> b.put(values));
  }

  private Parameters parameters(Quantizer quantizer) {
    return new Parameters(manager, quantizer.initial(1));
  }

  @ParameterizedTest
  @ValueSource(strings = {"vq", "fsq", "lfq", "rvq", "pq"})
  void frozenFeaturesDoNotStarveTheProjection(String type) {
    Quantizer quantizer = Quantizer.of(settings("commitment = 0, type = " + type), 24);
    try (Parameters parameters = parameters(quantizer)) {
      parameters.train(quantizer.trained());
      NDArray x = normal("frozen", 12, 24);
      try (GradientScope gradients = new GradientScope()) {
        Quantized out = quantizer.quantize(x, parameters, Mode.training(1));
        gradients.backward(out.vectors().mul(normal("pull", 12, 24)).sum());
      }
      String first = quantizer.trained().get(0);
      assertThat(first).startsWith("quantizer.project_in");
      assertThat(parameters.get(first).getGradient().abs().sum().getFloat()).isPositive();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"vq", "fsq", "lfq", "rvq", "pq"})
  void maskedVectorsCountForNothing(String type) {
    Quantizer quantizer = Quantizer.of(settings("type = " + type), 24);
    try (Parameters parameters = parameters(quantizer)) {
      NDArray x = normal("masked", 9, 24);
      boolean[] mask = {true, false, true, true, false, true, true, true, false};
      NDArray kept = manager.create(new long[] {0, 2, 3, 5, 6, 7});
      Mode mode = Mode.training(1);
      Quantized alone = quantizer.quantize(NativeKernels.gather(x, kept), parameters, mode);
      Quantized masked = quantizer.quantize(x, manager.create(mask), parameters, mode);
      assertThat(masked.loss().getFloat()).isEqualTo(alone.loss().getFloat());
      int levels = quantizer.codebookSizes().length;
      int[] codes = masked.codeValues();
      int[] expected = alone.codeValues();
      float[] vectors = Torch.tensor(masked.vectors()).floats();
      float[] values = Torch.tensor(alone.vectors()).floats();
      for (int row = 0, from = 0; row < mask.length; row++) {
        int[] own = Arrays.copyOfRange(codes, row * levels, (row + 1) * levels);
        float[] vector = Arrays.copyOfRange(vectors, row * 24, (row + 1) * 24);
        if (mask[row]) {
          assertThat(own)
              .isEqualTo(Arrays.copyOfRange(expected, from * levels, (from + 1) * levels));
          assertThat(vector).isEqualTo(Arrays.copyOfRange(values, from * 24, (from + 1) * 24));
          from++;
        } else {
          assertThat(own).containsOnly(-1);
          assertThat(vector).containsOnly(0);
        }
      }
      quantizer.update(masked, parameters);
      Map<String, HostTensor> moved = parameters.tensors();
      try (Parameters other = parameters(quantizer)) {
        quantizer.update(alone, other);
        other.tensors().forEach((n, t) -> assertThat(moved.get(n).bytes()).isEqualTo(t.bytes()));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "type = vq, cosine = true",
        "type = fsq, codebooks = 2",
        "type = fsq, fsq.symmetric = true",
        "type = lfq, lfq.spherical = true, lfq.soft-clamp = 2",
        "type = rvq, rvq.shared-codebook = true",
        "type = rvq, beam = 4, centred = true",
        "type = rvq, beam = 10, codebook-size = 6",
        "type = pq, num-quantizers = 8",
      })
  void evaluationLearnsNothingAndItsCodesDecodeToItsVectors(String options) {
    Quantizer quantizer = Quantizer.of(settings(options), 24);
    Map<String, HostTensor> before = quantizer.initial(1);
    try (Parameters parameters = new Parameters(manager, before)) {
      NDArray x = normal("x", 30, 24);
      Quantized out = quantizer.quantize(x, parameters, Mode.EVALUATION);
      assertThat(out.loss().getFloat()).isZero();
      assertThat(Quantized.values(quantizer.codes(x, parameters))).isEqualTo(out.codeValues());
      assertThat(Torch.tensor(quantizer.decode(out.codes(), parameters)).bytes())
          .isEqualTo(Torch.tensor(out.vectors()).bytes());
      int[] levels = quantizer.codebookSizes();
      int[] codes = out.codeValues();
      for (int i = 0; i < codes.length; i++) {
        assertThat(codes[i]).isBetween(0, levels[i % levels.length] - 1);
      }
      parameters
          .tensors()
          .forEach(
              (name, tensor) -> assertThat(tensor.bytes()).isEqualTo(before.get(name).bytes()));
    }
  }

  /** The reference library's is four times as large: once for every level. */
  @Test
  void theGradientPassesAResidualStackOnce() {
    QuantizerSettings settings = settings("type = rvq, codebook-size = 16, commitment = 0");
    Quantizer stack = new ResidualVectorQuantizer(settings, 8);
    try (Parameters parameters = parameters(stack)) {
      NDArray x = normal("stack", 20, 8);
      NDArray pull = normal("pull", 20, 8);
      x.setRequiresGradient(true);
      try (GradientScope gradients = new GradientScope()) {
        Quantized out = stack.quantize(x, parameters, Mode.training(1));
        gradients.backward(out.vectors().mul(pull).sum());
      }
      assertThat(Torch.tensor(x.getGradient()).floats()).isEqualTo(Torch.tensor(pull).floats());
    }
  }

  @Test
  void droppedLevelsHaveNoCodeAndTeachNothing() {
    String options = "type = rvq, codebook-size = 16, num-quantizers = 8, bottleneck-dim = 8,";
    Quantizer stack =
        new ResidualVectorQuantizer(
            settings(options + "rvq { dropout = true, dropout-from = 1, dropout-multiple = 2 }"),
            8);
    try (Parameters parameters = parameters(stack)) {
      NDArray x = normal("drop", 10, 8);
      boolean[] seen = new boolean[9];
      for (int draw = 0; draw < 40; draw++) {
        Quantized out = stack.quantize(x, parameters, Mode.training(draw));
        int[] codes = out.codeValues();
        int kept = (int) Arrays.stream(codes, 0, 8).filter(code -> code >= 0).count();
        seen[kept] = true;
        for (int level = 0; level < 8; level++) {
          assertThat(out.searched().get(level) == null).isEqualTo(level >= kept);
        }
        assertThat(Torch.tensor(stack.decode(out.codes(), parameters)).floats())
            .containsExactly(Torch.tensor(out.vectors()).floats(), within(1e-6f));
      }
      assertThat(seen).containsExactly(false, false, true, false, true, false, true, false, true);
    }
  }

  @Test
  void aWideBeamFindsTheBestPairOfCodes() {
    int codes = 6;
    String options = "type = rvq, num-quantizers = 2, codebook-size = 6, beam = ";
    Quantizer wide = new ResidualVectorQuantizer(settings(options + "6"), 4);
    Quantizer greedy = new ResidualVectorQuantizer(settings(options + "1"), 4);
    Map<String, HostTensor> tensors = wide.initial(1);
    tensors.replaceAll(
        (name, tensor) ->
            name.endsWith(".embed")
                ? HostTensor.normal(Seeds.random(2, name), 1, codes, 4)
                : tensor);
    try (Parameters parameters = new Parameters(manager, tensors)) {
      NDArray x = normal("beam", 300, 4);
      double[] best = errors(x, wide.quantize(x, parameters, Mode.EVALUATION).vectors());
      double[] first = errors(x, greedy.quantize(x, parameters, Mode.EVALUATION).vectors());
      double[] least = new double[300];
      Arrays.fill(least, Double.MAX_VALUE);
      for (int pair = 0; pair < codes * codes; pair++) {
        long[] all = new long[600];
        int number = pair;
        Arrays.setAll(all, i -> i % 2 == 0 ? number / codes : number % codes);
        NDArray decoded = wide.decode(manager.create(all, new Shape(300, 2)), parameters);
        double[] errors = errors(x, decoded);
        Arrays.setAll(least, i -> Math.min(least[i], errors[i]));
      }
      assertThat(best).containsExactly(least, within(1e-5));
      assertThat(Arrays.stream(first).sum()).isGreaterThan(Arrays.stream(best).sum());
    }
  }

  private static double[] errors(NDArray x, NDArray y) {
    float[] errors = Torch.tensor(x.sub(y).square().sum(new int[] {1})).floats();
    double[] values = new double[errors.length];
    Arrays.setAll(values, i -> errors[i]);
    return values;
  }

  @Test
  void entropiesOfBitsAreThoseOfTheTableAndMergeOverParts() {
    NDArray logits = normal("logits", 40, 9).mul(3);
    float[] each = {
      NativeKernels.bitEntropy(logits).getFloat(),
      NativeKernels.tableEntropy(logits, 1e-30).getFloat()
    };
    assertThat(each[0]).isCloseTo(each[1], within(1e-5f));
    NDArray mean = NativeKernels.meanCodes(logits);
    assertThat(mean.sum().getFloat()).isCloseTo(1, within(1e-5f));
    NDArray first = NativeKernels.meanCodes(logits.get(new NDIndex(":10")));
    NDArray rest = NativeKernels.meanCodes(logits.get(new NDIndex("10:")));
    NDArray merged = first.mul(0.25f).add(rest.mul(0.75f));
    assertThat(NativeKernels.entropy(merged, 1e-30).getFloat())
        .isCloseTo(NativeKernels.entropy(mean, 1e-30).getFloat(), within(1e-5f));
  }

  /** Also where codes are as good as equal: rounding alone decides. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void aVectorsCodeDoesNotDependOnItsNeighboursInTheBatch(int threads) {
    Torch.start(threads);
    for (int[] shape :
        new int[][] {{512, 64}, {16, 8}, {1000, 5}, {4096, 32}, {512, 768}, {300, 500}}) {
      int width = shape[1];
      NDArray all = normal("neighbours", 5000, width);
      NDArray near = normal("code", 1, width).add(normal("codes", shape[0], width).mul(1e-6f));
      long[] together = NativeKernels.nearest(all, near).toLongArray();
      for (int from = 0; from < 5000; from += 389) {
        for (int count : new int[] {1, 7, 256, 300, 1111}) {
          int to = Math.min(5000, from + count);
          NDArray part = all.get(new NDIndex(from + ":" + to));
          assertThat(NativeKernels.nearest(part, near).toLongArray())
              .isEqualTo(Arrays.copyOfRange(together, from, to));
        }
      }
    }
    Torch.start(1);
  }

  @Test
  void aDeadCodeIsPutOnAVectorWithItsAverages() {
    String options = "type = vq, codebook-size = 4, codebook.revive-after = 2";
    EmaCodebook codebook = new VectorQuantizer(settings(options), 2).codebooks().get(0);
    Map<String, HostTensor> tensors = codebook.initial(1);
    try (Parameters parameters = new Parameters(manager, tensors)) {
      NDArray x = normal("alive", 4, 2);
      NDArray codes = manager.create(new long[] {0, 1, 3, 3});
      codebook.update(codes, x, parameters);
      assertThat(codebook.dead(parameters.tensors())).isEmpty();
      codebook.update(codes, x, parameters);
      Map<String, HostTensor> state = parameters.tensors();
      assertThat(codebook.dead(state)).containsExactly(2);
      float[] vector = {5, -7};
      assertThat(codebook.revive(state, List.of(2), List.of(vector, vector), 3)).isEqualTo(1);
      assertThat(Arrays.copyOfRange(state.get("quantizer.codebook.embed").floats(), 4, 6))
          .isEqualTo(vector);
      assertThat(state.get("quantizer.codebook.cluster_size").floats()[2]).isEqualTo(3);
      assertThat(codebook.dead(state)).isEmpty();
      Map<String, HostTensor> rebuilt = new java.util.LinkedHashMap<>(state);
      codebook.rebuild(rebuilt);
      assertThat(Arrays.copyOfRange(rebuilt.get("quantizer.codebook.embed").floats(), 4, 6))
          .containsExactly(vector, within(1e-3f));
    }
  }

  /** Cluster sizes begin at 1: what a step moves their sum by tells its weight. */
  @ParameterizedTest
  @CsvSource({"8, 64, 0.1", "512, 784, 0.0957", "4096, 784, 0.01196", "65536, 784, 0.001"})
  void theAveragesHoldSixteenVectorsForEachCode(int codes, int vectors, double weight) {
    QuantizerSettings settings = Settings.defaults().quantizer();
    EmaCodebook codebook = new EmaCodebook("c", codes, 1, settings.codebook(), false);
    Map<String, HostTensor> tensors = codebook.initial(1);
    CodebookStatistics step = new CodebookStatistics(codes, 1);
    for (int i = 0; i < vectors; i++) {
      step.add(i % 2, new float[] {i}, 0);
    }
    codebook.update(tensors, step);
    double first = tensors.get("c.cluster_size").floats()[0];
    assertThat((first - 1) / (vectors / 2.0 - 1)).isCloseTo(weight, withinPercentage(0.1));
    try (Parameters parameters = new Parameters(manager, codebook.initial(1))) {
      NDArray steps = manager.create(new float[vectors]).expandDims(1);
      codebook.update(manager.zeros(new Shape(vectors), DataType.INT64), steps, parameters);
      float all = parameters.tensors().get("c.cluster_size").floats()[0];
      assertThat((all - 1) / (vectors - 1)).isCloseTo((float) weight, withinPercentage(0.1));
    }
  }

  @Test
  void sizesAreHonouredOrRefusedWithASentence() {
    assertThat(Quantizer.of(settings("type = fsq, codebook-size = 512"), 24).codebookSizes())
        .containsExactly(1000);
    assertThat(FiniteScalarQuantizer.levelsOf(settings("type = fsq, codebook-size = 512")))
        .containsExactly(8, 5, 5, 5);
    assertThat(Quantizer.of(settings("type = fsq, codebook-size = 256"), 24).codebookSizes())
        .containsExactly(240);
    assertThat(Quantizer.of(settings("type = rvq"), 24).codebookSizes())
        .containsExactly(256, 256, 256, 256);
    assertRefused("type = lfq, codebook-size = 500", "take 256 or 512 (--codebook_size)");
    assertRefused(
        "type = fsq, codebook-size = 512, fsq.levels = [8, 8]",
        "quantizer.fsq.levels [8, 8] make 64 codes, but --codebook_size is 512");
    assertRefused("type = fsq, fsq.levels = [2, 8]", "quantizer.fsq.symmetric = true");
    assertRefused("type = pq, num-quantizers = 7", "Cannot cut 64 dimensions");
    assertRefused("type = rvq, rvq { dropout = true, dropout-from = 4 }", "levels 0 to 3");
    assertRefused("type = vqq", "No quantizer vqq", "fsq, lfq, none, pq, rvq, scalar, vq");
  }

  private static void assertRefused(String options, String... sentence) {
    assertThatThrownBy(() -> Quantizer.of(settings(options), 24))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContainingAll(sentence);
  }
}
