package io.squeeze.jobs.fit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.fit.Fit.Fitted;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.Quantizer.Mode;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A fit in the memory of a task, on any number of threads, and over partitions. */
class VectorFitTest {
  private static final int CHANNELS = 12;

  private static List<VectorBlock> blocks() {
    List<VectorBlock> blocks = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      int rows = 150 + 100 * i;
      long[] keys = new long[rows];
      for (int row = 0; row < rows; row++) {
        keys[row] = Seeds.hash(i, "key", Integer.toString(row));
      }
      HostTensor values = HostTensor.uniform(Seeds.random(i, "values"), 1 + i % 3, rows, CHANNELS);
      blocks.add(new VectorBlock(keys, values.floats()));
    }
    return blocks;
  }

  private static void assertSame(Fitted actual, Fitted expected) {
    assertThat(actual.tensors().keySet()).isEqualTo(expected.tensors().keySet());
    expected
        .tensors()
        .forEach(
            (name, tensor) ->
                assertThat(actual.tensors().get(name).bytes()).as(name).isEqualTo(tensor.bytes()));
    assertThat(actual.usage().get(1).counts()).isEqualTo(expected.usage().get(1).counts());
  }

  @ParameterizedTest
  @ValueSource(strings = {"rvq", "pq", "scalar"})
  void theResultIsTheSameWhereverTheVectorsAre(String type) {
    Settings settings =
        VectorFit.headless(
            Settings.defaults()
                .with("quantizer.type", type)
                .with("quantizer.num-quantizers", "2")
                .with("quantizer.codebook-size", "16")
                .with("quantizer.codebook.kmeans-iterations", "3")
                .with("quantizer.codebook.refit-rounds", "2")
                .with("quantizer.bottleneck-dim", "6"));
    Fit fit = new Fit(settings, CHANNELS);
    List<VectorBlock> blocks = blocks();
    Torch.startInPieces(1);
    Fitted one = fit.to(new HeldVectors(blocks), line -> {});
    Torch.startInPieces(3);
    assertSame(fit.to(new HeldVectors(blocks), line -> {}), one);
    JavaSparkContext context = JavaSparkContext.fromSparkContext(Shared.session().sparkContext());
    // More partitions than blocks: some are empty.
    JavaRDD<VectorBlock> spread = context.parallelize(blocks, 7);
    Torch.start(1);
    SpreadVectors vectors = new SpreadVectors(spread, new HeldVectors(blocks).count());
    assertSame(fit.to(vectors, line -> {}), one);
  }

  /** Few distinct vectors, again and again, or one alone: every type gives them back. */
  @ParameterizedTest
  @CsvSource({"rvq,5", "pq,5", "scalar,5", "rvq,1", "pq,1", "scalar,1", "vq,1"})
  void vectorsThatRepeatComeBack(String type, int distinct) {
    float[] some = HostTensor.uniform(Seeds.random(1, "some"), 3, distinct, CHANNELS).floats();
    long[] keys = new long[400];
    float[] values = new float[keys.length * CHANNELS];
    for (int row = 0; row < keys.length; row++) {
      keys[row] = Seeds.hash(row, "key", "");
      System.arraycopy(some, row % distinct * CHANNELS, values, row * CHANNELS, CHANNELS);
    }
    Settings settings = VectorFit.headless(Settings.defaults().with("quantizer.type", type));
    Torch.startInPieces(1);
    Fitted fitted =
        new Fit(settings, CHANNELS)
            .to(new HeldVectors(List.of(new VectorBlock(keys, values))), line -> {});
    assertThat(lost(fitted, some) / some.length).isLessThan(0.03);
  }

  /** The squared error of vectors. */
  private static double lost(Fitted fitted, float[] some) {
    Quantizer quantizer = Quantizer.of(fitted.settings().quantizer(), CHANNELS);
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, fitted.tensors())) {
      float[] found =
          Torch.tensor(
                  quantizer
                      .quantize(Blocks.rows(manager, some, CHANNELS), parameters, Mode.EVALUATION)
                      .vectors())
              .floats();
      double lost = 0;
      for (int i = 0; i < some.length; i++) {
        lost += Math.pow(some[i] - found[i], 2);
      }
      return lost;
    }
  }

  /** Eight parts of twelve components: four parts have one more than the others. */
  @Test
  void partsThatDoNotDivideTheValuesCutNothingOff() {
    Settings settings =
        VectorFit.headless(
            Settings.defaults()
                .with("quantizer.type", "pq")
                .with("quantizer.num-quantizers", "8")
                .with("quantizer.codebook-size", "64"));
    Torch.startInPieces(1);
    Fitted fitted = new Fit(settings, CHANNELS).to(new HeldVectors(blocks()), line -> {});
    assertThat(fitted.kept()).isCloseTo(1, within(1e-6));
    assertThat(fitted.settings().quantizer().bottleneckDim()).isEqualTo(16);
    VectorBlock block = blocks().get(2);
    float[] some = Arrays.copyOf(block.values(), 100 * CHANNELS);
    double all = 0;
    for (float value : some) {
      all += Math.pow(value, 2);
    }
    // Of eight of the twelve components, which are alike, at least a fifth would be lost.
    assertThat(lost(fitted, some) / all).isLessThan(0.05);
  }

  @Test
  void aTrainingBeginsOnPrincipalComponentsWhereverTheVectorsAre() {
    Settings all = Settings.defaults().with("quantizer.bottleneck-dim", "12");
    List<VectorBlock> blocks = blocks();
    JavaSparkContext context = JavaSparkContext.fromSparkContext(Shared.session().sparkContext());
    Torch.start(1);
    Map<String, HostTensor> there = begun(all, context.parallelize(blocks, 7));
    Map<String, HostTensor> here = begun(all, context.parallelize(blocks, 1));
    here.forEach((name, tensor) -> assertThat(there.get(name).bytes()).isEqualTo(tensor.bytes()));
    // All components, forth and back.
    float[] x = Arrays.copyOf(blocks.get(0).values(), CHANNELS);
    float[] narrow = linear(here.get(Quantizer.PROJECT_IN), here.get(Quantizer.PROJECT_IN_BIAS), x);
    float[] back =
        linear(here.get(Quantizer.PROJECT_OUT), here.get(Quantizer.PROJECT_OUT_BIAS), narrow);
    assertThat(back).containsExactly(x, within(1e-5f));
    // The first of them are the widest.
    Map<String, HostTensor> half =
        begun(all.with("quantizer.bottleneck-dim", "6"), context.parallelize(blocks, 2));
    assertThat(half.get(Quantizer.PROJECT_IN).floats())
        .isEqualTo(Arrays.copyOf(here.get(Quantizer.PROJECT_IN).floats(), 6 * CHANNELS));
  }

  private static Map<String, HostTensor> begun(Settings settings, JavaRDD<VectorBlock> vectors) {
    Quantizer quantizer = Quantizer.of(settings.quantizer(), CHANNELS);
    Map<String, HostTensor> tensors = quantizer.initial(1);
    PrincipalAxes.begin(quantizer, vectors, new HeldVectors(blocks()).count(), CHANNELS, tensors);
    return tensors;
  }

  private static float[] linear(HostTensor weight, HostTensor bias, float[] x) {
    float[] y = bias.floats();
    float[] w = weight.floats();
    for (int i = 0; i < w.length; i++) {
      y[i / x.length] += w[i] * x[i % x.length];
    }
    return y;
  }
}
