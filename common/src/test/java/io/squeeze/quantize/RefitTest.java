package io.squeeze.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Codebooks that are improved together, and the search that does it. */
class RefitTest {
  private static final int ROWS = 4000;
  private static final int WIDTH = 8;

  @BeforeAll
  static void start() {
    Torch.start(1);
  }

  private static QuantizerSettings settings(String type, int codes) {
    return Settings.defaults()
        .with("quantizer.type", type)
        .with("quantizer.num-quantizers", "4")
        .with("quantizer.codebook-size", Integer.toString(codes))
        .with("quantizer.bottleneck-dim", Integer.toString(WIDTH))
        .with("quantizer.beam", "4")
        .quantizer();
  }

  private static VectorBlock vectors() {
    long[] keys = new long[ROWS];
    Arrays.setAll(keys, i -> Seeds.hash(i, "key", ""));
    HostTensor values = HostTensor.normal(Seeds.random(5, "values"), 1, ROWS, WIDTH);
    float[] mixed = values.floats();
    // Neighbouring values resemble each other.
    for (int i = 1; i < mixed.length; i++) {
      mixed[i] += i % WIDTH == 0 ? 0 : 0.9f * mixed[i - 1];
    }
    return new VectorBlock(keys, mixed);
  }

  /** Rounds of a refit from k-means on the whole vectors' first residuals. */
  private static <S extends Refit.Sums<S>> List<Double> errors(
      Refit<S> refit, Quantizer quantizer, Map<String, HostTensor> tensors, int rounds) {
    List<Double> errors = new ArrayList<>();
    for (int round = 0; round < rounds; round++) {
      S sums = refit.none(100);
      try (NDManager manager = Torch.manager(Device.cpu());
          Parameters parameters = new Parameters(manager, tensors)) {
        VectorBlock all = vectors();
        NDArray rows = Torch.floats(manager, new Shape(ROWS, WIDTH), b -> b.put(all.values()));
        float[] located = Torch.tensor(quantizer.toSearchSpace(rows, parameters)).floats();
        refit.add(sums, new VectorBlock(all.keys(), located), parameters);
      }
      errors.add(sums.error() / ROWS);
      assertThat(Arrays.stream(sums.counts()[1]).sum()).isEqualTo(ROWS);
      refit.improve(sums, tensors);
    }
    return errors;
  }

  private static void assertFalls(List<Double> errors, double share) {
    for (int i = 1; i < errors.size(); i++) {
      assertThat(errors.get(i)).as("round %s of %s", i, errors).isLessThan(errors.get(i - 1));
    }
    assertThat(errors.get(errors.size() - 1)).isLessThan(share * errors.get(0));
  }

  @Test
  void codebooksOfLevelsSuitTheirCodesTogether() {
    Quantizer quantizer = Quantizer.of(settings("rvq", 16), WIDTH);
    Map<String, HostTensor> tensors = drawn(quantizer);
    assertFalls(errors(quantizer.refit().orElseThrow(), quantizer, tensors, 6), 0.8);
  }

  @Test
  void aRotationSuitsTheParts() {
    Quantizer quantizer = Quantizer.of(settings("pq", 16), WIDTH);
    Map<String, HostTensor> tensors = drawn(quantizer);
    List<Double> errors = errors(quantizer.refit().orElseThrow(), quantizer, tensors, 8);
    assertFalls(errors, 0.8);
    // The projections stay orthonormal, each the other's transpose.
    float[] in = tensors.get(Quantizer.PROJECT_IN).floats();
    float[] out = tensors.get(Quantizer.PROJECT_OUT).floats();
    for (int i = 0; i < WIDTH; i++) {
      for (int j = 0; j < WIDTH; j++) {
        double dot = 0;
        for (int k = 0; k < WIDTH; k++) {
          dot += in[i * WIDTH + k] * in[j * WIDTH + k];
        }
        assertThat(dot).isCloseTo(i == j ? 1 : 0, within(1e-5));
        assertThat(out[j * WIDTH + i]).isCloseTo(in[i * WIDTH + j], within(1e-5f));
      }
    }
  }

  /** First codewords drawn from the seed, and projections that change nothing. */
  private static Map<String, HostTensor> drawn(Quantizer quantizer) {
    Map<String, HostTensor> tensors = quantizer.initial(3);
    float[] identity = new float[WIDTH * WIDTH];
    for (int i = 0; i < WIDTH; i++) {
      identity[i * WIDTH + i] = 1;
    }
    tensors.put(Quantizer.PROJECT_IN, HostTensor.of(identity, WIDTH, WIDTH));
    tensors.put(Quantizer.PROJECT_OUT, HostTensor.of(identity, WIDTH, WIDTH));
    for (String name : List.of("quantizer.project_in.bias", "quantizer.project_out.bias")) {
      tensors.put(name, HostTensor.full(0, WIDTH));
    }
    return tensors;
  }

  @Test
  void principalComponentsAreDealtSoThatPartsHaveAlikeProducts() {
    RotationRefit refit =
        (RotationRefit) Quantizer.of(settings("pq", 16), WIDTH).refit().orElseThrow();
    double[] variances = {256, 128, 64, 32, 16, 8, 4, 2};
    int[] order = refit.order(variances);
    // The unit of the vectors changes nothing.
    assertThat(refit.order(Arrays.stream(variances).map(v -> v * 1e-6).toArray())).isEqualTo(order);
    double[] products = new double[4];
    for (int part = 0; part < 4; part++) {
      products[part] = Math.pow(2, 16 - order[2 * part] - order[2 * part + 1]);
    }
    assertThat(products).containsOnly(512);
    assertThat(order).containsExactlyInAnyOrder(0, 1, 2, 3, 4, 5, 6, 7);
  }

  /** Levels of several sizes, of which not all fit one group, against a search without tables. */
  @Test
  void aBeamOfOneTakesTheNearestCodeOfEveryLevel() {
    int[] sizes = {5, 1500, 3, 1000, 7};
    List<float[]> books = new ArrayList<>();
    for (int l = 0; l < sizes.length; l++) {
      books.add(HostTensor.normal(Seeds.random(l, "book"), 1.0 / (l + 1), sizes[l], 4).floats());
    }
    float[] vectors = HostTensor.normal(Seeds.random(9, "vectors"), 2, 700, 4).floats();
    int[] codes = new ResidualSearch(books, 4, 1).codes(vectors);
    float[] left = vectors.clone();
    double greedy = 0;
    for (int row = 0; row < 700; row++) {
      for (int l = 0; l < sizes.length; l++) {
        float[] book = books.get(l);
        int best = 0;
        for (int k = 1; k < sizes[l]; k++) {
          double other = KMeans.squared(left, row * 4, book, k * 4, 4);
          best = other < KMeans.squared(left, row * 4, book, best * 4, 4) ? k : best;
        }
        int code = codes[row * sizes.length + l];
        assertThat(KMeans.squared(left, row * 4, book, code * 4, 4))
            .isCloseTo(KMeans.squared(left, row * 4, book, best * 4, 4), within(1e-4));
        for (int j = 0; j < 4; j++) {
          left[row * 4 + j] -= book[code * 4 + j];
        }
      }
      greedy += KMeans.squared(left, row * 4, new float[4], 0, 4);
    }
    int[] wide = new ResidualSearch(books, 4, 16).codes(vectors);
    double beam = 0;
    for (int row = 0; row < 700; row++) {
      float[] rest = Arrays.copyOfRange(vectors, row * 4, row * 4 + 4);
      for (int l = 0; l < sizes.length; l++) {
        for (int j = 0; j < 4; j++) {
          rest[j] -= books.get(l)[wide[row * sizes.length + l] * 4 + j];
        }
      }
      beam += KMeans.squared(rest, 0, new float[4], 0, 4);
    }
    assertThat(beam).isLessThan(0.9 * greedy);
  }

  @Test
  void waterFillsTheWidestComponentsFirst() {
    double[] variances = {16, 4, 1, 0.25};
    // Two bits for the first, one for the second, down to a level of 1.
    assertThat(WaterFilling.of(variances, 3).level()).isCloseTo(1, within(1e-9));
    assertThat(WaterFilling.of(variances, 3.01).components(variances)).isEqualTo(3);
    assertThat(WaterFilling.of(variances, 1).components(variances)).isEqualTo(1);
    assertThat(WaterFilling.of(new double[4], 8).components(new double[4])).isEqualTo(1);
  }
}
