package io.squeeze.jobs.fit;

import io.squeeze.quantize.CodebookStatistics;
import io.squeeze.quantize.CovarianceAccumulator.Components;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;

/** Projections of a quantizer onto the principal components of vectors, and back. */
public final class PrincipalAxes {
  private PrincipalAxes() {}

  /**
   * Replaces the projections of a quantizer that takes vectors as they are, not less their mean.
   * Others than plain linear layers stay.
   *
   * @param vectors some, which are read several times; their partitions are few, since each makes
   *     sums of [C, C]
   * @param count of them
   */
  public static void begin(
      Quantizer quantizer,
      JavaRDD<VectorBlock> vectors,
      long count,
      int channels,
      Map<String, HostTensor> tensors) {
    SpreadVectors spread = new SpreadVectors(vectors, count);
    float[] centre = mean(spread.sum(channels));
    Components found = spread.scatter(centre, spread.largest(centre)).components();
    float[] mean = found.mean().clone();
    for (int j = 0; j < channels; j++) {
      mean[j] += centre[j];
    }
    project(quantizer, new Components(mean, found.axes(), found.variances()), tensors);
  }

  /**
   * Whether a quantizer has projections that can begin so: training would never move what stands
   * for components that there are not.
   */
  public static boolean begins(Map<String, HostTensor> tensors) {
    return projects(tensors)
        && tensors.get(Quantizer.PROJECT_IN).shape()[0]
            <= tensors.get(Quantizer.PROJECT_IN).shape()[1];
  }

  private static boolean projects(Map<String, HostTensor> tensors) {
    return tensors.containsKey(Quantizer.PROJECT_IN) && tensors.containsKey(Quantizer.PROJECT_OUT);
  }

  /** The mean of the vectors of one code. */
  static float[] mean(CodebookStatistics sums) {
    float[] mean = new float[sums.width()];
    for (int j = 0; j < mean.length; j++) {
      mean[j] = (float) (sums.sum(0, j) / sums.count(0));
    }
    return mean;
  }

  /**
   * Principal components to the bottleneck and back, where both are plain linear layers; the share
   * of the variance that is kept.
   */
  static double project(
      Quantizer quantizer, Components components, Map<String, HostTensor> tensors) {
    if (!projects(tensors)) {
      return 1;
    }
    int channels = components.mean().length;
    int width = (int) tensors.get(Quantizer.PROJECT_IN).shape()[0];
    double[] variances = Arrays.copyOf(components.variances(), width);
    int[] order =
        quantizer
            .refit()
            .map(refit -> refit.order(variances))
            .orElseGet(() -> IntStream.range(0, width).toArray());
    float[] axes = new float[width * channels];
    float[] back = new float[axes.length];
    float[] bias = new float[width];
    for (int i = 0; i < width; i++) {
      if (order[i] < channels) {
        System.arraycopy(components.axes(), order[i] * channels, axes, i * channels, channels);
      }
      double along = 0;
      for (int j = 0; j < channels; j++) {
        back[j * width + i] = axes[i * channels + j];
        along += (double) axes[i * channels + j] * components.mean()[j];
      }
      bias[i] = (float) -along;
    }
    tensors.put(Quantizer.PROJECT_IN, HostTensor.of(axes, width, channels));
    tensors.put(Quantizer.PROJECT_IN_BIAS, HostTensor.of(bias, width));
    tensors.put(Quantizer.PROJECT_OUT, HostTensor.of(back, channels, width));
    tensors.put(Quantizer.PROJECT_OUT_BIAS, HostTensor.of(components.mean(), channels));
    double all = Arrays.stream(components.variances()).sum();
    return all > 0 ? Arrays.stream(variances).sum() / all : 1;
  }
}
