package io.squeeze.metric;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.squeeze.golden.Golden;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class MetricsTest {
  private static final Golden GOLDEN = new Golden("metrics");

  @Test
  void pooledMetricsAreTorchmetrics() {
    ConfusionMatrix matrix =
        ConfusionMatrix.of(21, GOLDEN.bytes("target_no255"), GOLDEN.bytes("pred"));
    assertThat((float) matrix.meanIou()).isCloseTo(accumulated("iou"), within(1e-6f));
    assertThat((float) matrix.pixelAccuracy()).isCloseTo(accumulated("acc"), within(1e-6f));
    assertThat((float) matrix.precision()).isCloseTo(accumulated("precision"), within(1e-6f));
    assertThat((float) matrix.recall()).isCloseTo(accumulated("recall"), within(1e-6f));
    assertThat((float) matrix.f1()).isCloseTo(accumulated("f1"), within(1e-6f));
  }

  private static float accumulated(String name) {
    return GOLDEN.floats("torchmetrics_" + name + "_accumulated")[0];
  }

  @Test
  void aSumOfSamplesIsThePooledMatrix() {
    ConfusionMatrix sum = ConfusionMatrix.empty(21);
    for (int i = 0; i < 5; i++) {
      sum = sum.plus(ConfusionMatrix.of(21, sample("target", i), sample("pred", i)));
    }
    ConfusionMatrix pooled = ConfusionMatrix.of(21, GOLDEN.bytes("target"), GOLDEN.bytes("pred"));
    assertThat(sum.counts()).isEqualTo(pooled.counts());
    for (int label = 0; label < 21; label++) {
      assertThat(pooled.iou(label).orElse(0))
          .isCloseTo(GOLDEN.doubles("dataset_class_ious_nc21")[label], within(1e-12));
    }
  }

  private static byte[] sample(String name, int i) {
    return Arrays.copyOfRange(GOLDEN.bytes(name), i * 1024, (i + 1) * 1024);
  }

  @Test
  void absentClassesAndIgnoredPixelsAreLeftOut() {
    byte[] target = {0, 0, 1, (byte) 255};
    byte[] prediction = {0, 0, 1, 2};
    ConfusionMatrix perfect = ConfusionMatrix.of(3, target, prediction);
    assertThat(perfect.meanIou()).isEqualTo(1);
    assertThat(perfect.iou(2)).isEmpty();
    assertThat(ConfusionMatrix.empty(3).meanIou()).isNaN();
  }

  @Test
  void perplexityIsTheReferences() {
    Golden golden = new Golden("perplexity");
    long[] counts = new long[64];
    for (int index : golden.ints("indices")) {
      counts[index]++;
    }
    assertThat((float) new CodeUsage(counts).perplexity())
        .isCloseTo(golden.floats("perplexity")[0], within(1e-4f));
    assertThat(new CodeUsage(new long[] {7, 0}).perplexity()).isCloseTo(1, within(1e-6));
    assertThat(new CodeUsage(new long[] {5, 5, 5, 5}).entropyBits()).isEqualTo(2);
  }
}
