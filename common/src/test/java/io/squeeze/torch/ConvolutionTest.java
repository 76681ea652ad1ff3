package io.squeeze.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.convolutional.Conv2d;
import io.squeeze.config.Seeds;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Convolutions in pieces against torch's own, forward and backward. */
class ConvolutionTest {
  @AfterEach
  void oneThread() {
    Torch.start(1);
  }

  private interface Operation {
    NDArray apply(NDArray x, NDArray weight);
  }

  /** Output, gradient of the weight, gradient of the input; a graph lies before and behind. */
  private static List<float[]> computed(int outputs, int channels, int kernel, Operation y) {
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray x = array(manager, "x", 3, channels, 7, 9);
      NDArray weight = array(manager, "weight", outputs, channels, kernel, kernel);
      x.setRequiresGradient(true);
      weight.setRequiresGradient(true);
      GradientScope gradients = new GradientScope();
      try (gradients) {
        NDArray result = y.apply(x.mul(Torch.scalar(manager, 2)), weight);
        gradients.backward(result.square().mean());
        return List.of(
            Torch.tensor(result).floats(),
            Torch.tensor(gradients.gradient(weight)).floats(),
            Torch.tensor(gradients.gradient(x)).floats());
      }
    }
  }

  private static NDArray array(NDManager manager, String name, long... shape) {
    return Torch.array(manager, HostTensor.uniform(Seeds.random(5, name), 1, shape));
  }

  @ParameterizedTest
  @CsvSource({"96, 64, 3, 1", "40, 70, 3, 4", "33, 300, 3, 12", "256, 48, 1, 1", "3, 5, 5, 1"})
  void valuesAndGradientsAreTorchsOnAnyNumberOfThreads(
      int outputs, int channels, int kernel, int rate) {
    Torch.start(1);
    long wide = (long) (kernel / 2) * rate;
    Shape padding = new Shape(wide, wide);
    Shape rates = new Shape(rate, rate);
    List<float[]> torchs =
        computed(
            outputs,
            channels,
            kernel,
            (x, weight) ->
                Conv2d.conv2d(x, weight, null, new Shape(1, 1), padding, rates).singletonOrThrow());
    List<float[]> one = inPieces(1, outputs, channels, kernel, rate);
    for (int i = 0; i < torchs.size(); i++) {
      assertThat(farthest(one.get(i), torchs.get(i))).as("array %s", i).isLessThan(5e-5);
    }
    for (int threads : new int[] {2, 3, 8}) {
      List<float[]> many = inPieces(threads, outputs, channels, kernel, rate);
      for (int i = 0; i < one.size(); i++) {
        assertThat(Arrays.equals(many.get(i), one.get(i))).isTrue();
      }
    }
  }

  /** The largest difference, as a share of the largest value. */
  private static double farthest(float[] actual, float[] expected) {
    assertThat(actual).hasSameSizeAs(expected);
    double difference = 0;
    double largest = 0;
    for (int i = 0; i < actual.length; i++) {
      difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
      largest = Math.max(largest, Math.abs(expected[i]));
    }
    return difference / largest;
  }

  private static List<float[]> inPieces(
      int threads, int outputs, int channels, int kernel, int rate) {
    Torch.startInPieces(threads);
    return computed(
        outputs,
        channels,
        kernel,
        (x, weight) -> Convolution.apply(GradientScope.cut(x), weight, rate));
  }
}
