package io.squeeze.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class CodebookStatisticsTest {

  @BeforeAll
  static void startTorch() {
    Torch.start(1);
  }

  @Test
  void aSumIsExactFromTheSmallestToTheLargestValue() {
    SplittableRandom random = new SplittableRandom(7);
    for (int round = 0; round < 200; round++) {
      CodebookStatistics sums = new CodebookStatistics(1, 1);
      BigDecimal exact = BigDecimal.ZERO;
      for (int i = 0; i < 50; i++) {
        float value = (float) (random.nextDouble(-1, 1) * Math.scalb(1.0, random.nextInt(-16, 31)));
        sums.add(0, new float[] {value}, 0);
        exact = exact.add(new BigDecimal(value));
      }
      double expected = exact.doubleValue();
      assertThat(sums.sum(0, 0))
          .isBetween(expected - Math.ulp(expected), expected + Math.ulp(expected));
    }
    for (float tiny : new float[] {0x1p-41f, -0x1.8p-41f, 0x1p-64f, -0x1p-64f}) {
      CodebookStatistics one = new CodebookStatistics(1, 1);
      one.add(0, new float[] {tiny}, 0);
      assertThat(one.sum(0, 0)).isEqualTo((double) tiny);
    }
    for (int scale : new int[] {0, 60, -60}) {
      for (int power = -40; power < 31; power++) {
        for (float mantissa : new float[] {1, -1, 0x1.fffffep0f, -0x1.fffffep0f}) {
          float value = Math.scalb(mantissa, power - scale);
          CodebookStatistics one = new CodebookStatistics(1, 1, scale);
          one.add(0, new float[] {value}, 0);
          assertThat(one.sum(0, 0)).isEqualTo((double) value);
          one.add(0, new float[] {-value}, 0);
          assertThat(one.sum(0, 0)).isZero();
        }
      }
    }
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      assertThatThrownBy(() -> new CodebookStatistics(1, 1, -120).add(0, new float[] {bad}, 0))
          .hasMessageStartingWith("Cannot sum " + bad);
    }
    CodebookStatistics rounded = new CodebookStatistics(1, 1);
    rounded.add(0, new float[] {Float.MIN_VALUE}, 0);
    assertThat(rounded.sum(0, 0)).isZero();
    CodebookStatistics far = new CodebookStatistics(1, 0);
    for (double distance : new double[] {5e11, 3, 0x1p-80}) {
      far.addDistance(distance);
    }
    assertThat(far.distances()).isEqualTo((double) (float) 5e11 + 3 + 0x1p-80);
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, 0x1p31f}) {
      assertThatThrownBy(() -> rounded.add(0, new float[] {bad}, 0))
          .hasMessage("Cannot sum " + bad + ": not below 2^31");
    }
  }

  /** Points in several parts, as executors would hold them. */
  private record Parts(List<VectorBlock> blocks) implements KMeans.Points {
    static Parts of(List<Keyed> vectors, int parts) {
      List<List<Keyed>> split = new ArrayList<>();
      for (int i = 0; i < parts; i++) {
        split.add(new ArrayList<>());
      }
      for (int i = 0; i < vectors.size(); i++) {
        split.get(i * i % parts).add(vectors.get(i));
      }
      split.removeIf(List::isEmpty);
      return new Parts(split.stream().map(VectorBlock::of).toList());
    }

    @Override
    public int width() {
      return blocks.get(0).width();
    }

    @Override
    public Keyed first(long seed) {
      return blocks.stream().map(b -> b.first(seed)).min(VectorBlock.drawn(seed)).orElseThrow();
    }

    @Override
    public CodebookStatistics statistics(float[] means, int summed) {
      CodebookStatistics sum = new CodebookStatistics(means.length / width(), summed);
      blocks.forEach(block -> sum.merge(block.statistics(means, summed)));
      return sum;
    }

    @Override
    public List<Keyed> draw(float[] means, double share, long seed) {
      return blocks.stream().flatMap(b -> b.draw(means, share, seed).stream()).toList();
    }
  }

  @Test
  void kMeansAndAveragesDoNotDependOnHowVectorsAreSplitOrOrdered() {
    List<Keyed> vectors = new ArrayList<>();
    for (int i = 0; i < 3000; i++) {
      HostTensor vector = HostTensor.normal(Seeds.random(i, "v"), 1 + i % 3, 12);
      vectors.add(new Keyed(Seeds.hash(1, "key", "v" + i), vector.floats()));
    }
    EmaCodebook codebook =
        new EmaCodebook(
            "c",
            40,
            12,
            Settings.load(List.of(ConfigFactory.empty())).quantizer().codebook(),
            false);
    byte[] expected = null;
    for (int parts : new int[] {1, 3, 16}) {
      Collections.shuffle(vectors, new Random(parts));
      Parts points = Parts.of(vectors, parts);
      KMeans.Result means = new KMeans(8, 5).run(points, 40);
      assertThat(Arrays.stream(means.counts()).sum()).isEqualTo(3000);
      assertThat(Arrays.stream(means.counts()).min().orElseThrow()).isPositive();
      Map<String, HostTensor> tensors = codebook.initial(1);
      codebook.start(tensors, means, 3000);
      for (int round = 0; round < 5; round++) {
        codebook.update(tensors, points.assign(tensors.get("c.embed").floats()));
      }
      byte[] bytes = tensors.get("c.embed").bytes();
      expected = expected == null ? bytes : expected;
      assertThat(bytes).isEqualTo(expected);
    }
  }

  @Test
  void kMeansFindsSeparateClustersAndSurvivesTheFirstStep() {
    float[] x = {0, 0, 0, 1, 10, 0, 10, 1, 0, 10, 1, 10, 10, 10, 11, 10};
    VectorBlock points = new VectorBlock(new long[] {1, 2, 3, 4, 5, 6, 7, 8}, x);
    KMeans.Result means = new KMeans(10, 5).run(points, 4);
    assertThat(means.counts()).containsOnly(2);
    assertThat(means.centroids()).contains(0.5f, 10.5f);
    assertThat(new KMeans(10, 5).run(points, 12).centroids()).hasSize(24);
  }
}
