package io.squeeze.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.codec.EntropyCoding;
import io.squeeze.config.Seeds;
import io.squeeze.metric.CodeUsage;
import io.squeeze.quantize.ComponentHistograms.Counts;
import io.squeeze.quantize.ScalarDesign.Design;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Points for a rate, on components whose best rates are known. */
class ScalarQuantizerTest {
  private static final int ROWS = 40_000;
  private static final double[] DEVIATIONS = {4, 1, 0.05};

  @BeforeAll
  static void start() {
    Torch.start(1);
  }

  private static float[] gaussian() {
    float[] values =
        HostTensor.normal(Seeds.random(1, "values"), 1, ROWS, DEVIATIONS.length).floats();
    for (int i = 0; i < values.length; i++) {
      values[i] *= (float) DEVIATIONS[i % DEVIATIONS.length];
    }
    return values;
  }

  private static Design design(float[] values, double bits) {
    long[] keys = IntStream.range(0, ROWS).asLongStream().toArray();
    ComponentHistograms histograms = new ComponentHistograms(DEVIATIONS);
    Counts one = histograms.none(0);
    Counts other = histograms.none(0);
    VectorBlock all = new VectorBlock(keys, values);
    histograms.add(one, all.where(key -> key % 3 == 0).orElseThrow(), null);
    histograms.add(other, all.where(key -> key % 3 != 0).orElseThrow(), null);
    return new ScalarDesign(histograms, one.merge(other)).of(bits);
  }

  private record Coded(int[] codes, double error, double bits) {}

  private static Coded coded(Design design, float[] values) {
    ScalarQuantizer quantizer = new ScalarQuantizer(design.levels());
    Map<String, HostTensor> tensors = quantizer.initial(0);
    design.into(tensors);
    int width = design.levels().size();
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, tensors)) {
      float[] kept = new float[ROWS * width];
      for (int i = 0; i < kept.length; i++) {
        kept[i] = values[i / width * DEVIATIONS.length + i % width];
      }
      NDArray rows = Torch.floats(manager, new Shape(ROWS, width), b -> b.put(kept));
      Quantized out = quantizer.quantize(rows, parameters, Quantizer.Mode.EVALUATION);
      float[] decoded = Torch.tensor(out.vectors()).floats();
      double error = 0;
      for (int i = 0; i < values.length; i++) {
        int component = i % DEVIATIONS.length;
        float found = component < width ? decoded[i / DEVIATIONS.length * width + component] : 0;
        error += Math.pow(values[i] - found, 2) / ROWS;
      }
      long[][] counts = new long[width][];
      for (int l = 0; l < width; l++) {
        counts[l] = new long[design.levels().get(l)];
      }
      int[] codes = out.codeValues();
      for (int i = 0; i < codes.length; i++) {
        counts[i % width][codes[i]]++;
      }
      double bits =
          Arrays.stream(counts).map(CodeUsage::new).mapToDouble(CodeUsage::entropyBits).sum();
      return new Coded(codes, error, bits);
    }
  }

  /**
   * At fine steps, uniform scalars with entropy coding lose pi e / 6 times what is possible (Gish
   * and Pierce, 1968), and the two wide components are coded down to one error.
   */
  @Test
  void theErrorIsWhatTheoryGivesForTheRate() {
    float[] values = gaussian();
    double bits = 8;
    Design design = design(values, bits);
    assertThat(design.bits()).isCloseTo(bits, within(0.02));
    // The third component lies below that error and gets nothing.
    assertThat(design.levels()).hasSize(2);
    Coded coded = coded(design, values);
    assertThat(coded.bits()).isCloseTo(bits, within(0.05));
    double each = Math.pow(2, -bits) * DEVIATIONS[0] * DEVIATIONS[1];
    double possible = 2 * each + Math.pow(DEVIATIONS[2], 2);
    double expected = 2 * each * Math.PI * Math.E / 6 + Math.pow(DEVIATIONS[2], 2);
    assertThat(coded.error()).isBetween(possible, 1.03 * expected);
  }

  @Test
  void aByteOfEightVectorsIsStillWorthSomething() {
    float[] values = gaussian();
    Coded coded = coded(design(values, 1), values);
    double all = Arrays.stream(DEVIATIONS).map(d -> d * d).sum();
    assertThat(coded.bits()).isCloseTo(1, within(0.05));
    // One bit of the first component: at best a quarter of its variance is left.
    assertThat(coded.error()).isBetween(0.25 * all, 0.42 * all);
  }

  @Test
  void arithmeticCodingTakesTheEntropyAndGivesTheCodesBack() {
    float[] values = gaussian();
    Design design = design(values, 6);
    Coded coded = coded(design, values);
    EntropyCoding coding =
        new EntropyCoding(Arrays.stream(design.chosen()).map(EntropyCoding::frequencies).toList());
    byte[] packed = coding.pack(coded.codes());
    assertThat(packed.length * 8.0 / ROWS).isCloseTo(coded.bits(), within(0.02));
    assertThat(coding.unpack(packed, coded.codes().length)).isEqualTo(coded.codes());
  }

  @Test
  void constantComponentsGetOneCodeAndNoError() {
    ComponentHistograms histograms = new ComponentHistograms(new double[] {0, 0});
    Counts counts = histograms.none(0);
    histograms.add(counts, new VectorBlock(new long[] {1, 2}, new float[4]), null);
    Design design = new ScalarDesign(histograms, counts).of(16);
    assertThat(design.levels()).isEqualTo(List.of(3));
    assertThat(design.chosen()[0]).containsExactly(0, 2, 0);
    assertThat(Math.abs(design.points()[1])).isLessThan(1e-30f);
  }
}
