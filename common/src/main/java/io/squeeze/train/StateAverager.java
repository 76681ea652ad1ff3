package io.squeeze.train;

import io.squeeze.quantize.Quantizer;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongBinaryOperator;

/**
 * Averages states weighted by samples (parameter averaging, McDonald et al. 2010). Sums are double
 * and taken in the order given, so a fixed tree of sums gives fixed bytes.
 */
public final class StateAverager {

  private StateAverager() {}

  /**
   * A weighted sum of states on its way to an average.
   *
   * @param floats sums of the float32 tensors, by name
   * @param longs of the int64 tensors, by name: the most steps; the least time that a code waited
   */
  public record Sum(
      Map<String, double[]> floats,
      Map<String, HostTensor> longs,
      Map<String, long[]> shapes,
      long weight)
      implements Serializable {}

  /** The sum of one state. */
  public static Sum of(ModelState state, long weight) {
    Map<String, double[]> floats = new LinkedHashMap<>();
    Map<String, HostTensor> longs = new LinkedHashMap<>();
    Map<String, long[]> shapes = new LinkedHashMap<>();
    state
        .tensors()
        .forEach(
            (name, tensor) -> {
              shapes.put(name, tensor.shape());
              if (tensor.type() == ElementType.I64) {
                longs.put(name, tensor);
                return;
              }
              FloatBuffer values = tensor.buffer().asFloatBuffer();
              double[] sums = new double[values.remaining()];
              for (int i = 0; i < sums.length; i++) {
                sums[i] = weight * (double) values.get(i);
              }
              floats.put(name, sums);
            });
    return new Sum(floats, longs, shapes, weight);
  }

  /** Adds sums from left to right, into the first one's arrays. */
  public static Sum add(List<Sum> sums) {
    Sum first = sums.get(0);
    long weight = first.weight();
    for (Sum next : sums.subList(1, sums.size())) {
      for (Map.Entry<String, double[]> entry : next.floats().entrySet()) {
        double[] into = first.floats().get(entry.getKey());
        double[] values = entry.getValue();
        for (int i = 0; i < into.length; i++) {
          into[i] += values[i];
        }
      }
      for (Map.Entry<String, HostTensor> entry : next.longs().entrySet()) {
        boolean step = entry.getKey().equals(ModelState.STEP);
        first
            .longs()
            .merge(
                entry.getKey(),
                entry.getValue(),
                (a, b) -> pairwise(a, b, step ? Math::max : Math::min));
      }
      weight += next.weight();
    }
    return new Sum(first.floats(), first.longs(), first.shapes(), weight);
  }

  private static HostTensor pairwise(HostTensor a, HostTensor b, LongBinaryOperator of) {
    long[] left = a.longs();
    long[] right = b.longs();
    Arrays.setAll(left, i -> of.applyAsLong(left[i], right[i]));
    return HostTensor.of(left, a.shape());
  }

  /**
   * The average; a codebook is rebuilt from its averaged sizes and sums. The average of one state
   * is that state, bit for bit.
   */
  public static ModelState average(Sum sum, Quantizer quantizer) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    sum.shapes()
        .forEach(
            (name, shape) -> {
              double[] sums = sum.floats().get(name);
              if (sums == null) {
                tensors.put(name, sum.longs().get(name));
                return;
              }
              float[] values = new float[sums.length];
              for (int i = 0; i < values.length; i++) {
                values[i] = (float) (sums[i] / sum.weight());
              }
              tensors.put(name, HostTensor.of(values, shape));
            });
    quantizer.rebuild(tensors);
    return new ModelState(tensors);
  }
}
