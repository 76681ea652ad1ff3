package io.squeeze.quantize;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import java.io.Serializable;

/**
 * The sums that principal component analysis needs: the number of vectors, their sums, and the sums
 * of their products. Merging is exact. Values are rounded to 20 bits below the largest of all
 * (fewer above 4 million vectors), so that products are whole numbers and their sums do not depend
 * on the order. With 20 bits, the error is at most 2^-20 of the largest value.
 */
public final class CovarianceAccumulator implements Serializable {
  private static final long serialVersionUID = 1L;
  private static final int BITS = 20;

  /** Vectors whose products of 40 bits one exact sum in double holds. */
  private static final int ROWS = 1 << 12;

  private final double scale;
  private final float[] centre;
  private final long[] products;
  private final CodebookStatistics sums;

  /**
   * Of no vectors.
   *
   * @param centre [C], near the mean: products of values far from zero would hide how they spread
   * @param largest magnitude of any value, less the centre
   * @param count of all vectors that will meet here
   */
  public CovarianceAccumulator(float[] centre, double largest, long count) {
    // The sum of count products of twice as many bits must fit 63.
    int bits = Math.min(BITS, (62 - (64 - Long.numberOfLeadingZeros(count))) / 2);
    int exponent = Math.getExponent(Math.max(largest, Double.MIN_NORMAL));
    this.scale = Math.scalb(1.0, bits - 1 - exponent);
    this.centre = centre.clone();
    this.products = new long[Math.multiplyExact(centre.length, centre.length)];
    this.sums = new CodebookStatistics(1, centre.length, CodebookStatistics.exponent(largest));
  }

  /** The largest magnitude among a block's values, less the centre. */
  public static double largest(VectorBlock block, float[] centre) {
    return centred(block, centre).largest();
  }

  private static VectorBlock centred(VectorBlock block, float[] centre) {
    float[] values = block.values().clone();
    for (int i = 0; i < values.length; i++) {
      values[i] -= centre[i % centre.length];
    }
    return new VectorBlock(block.keys(), values);
  }

  /** Adds the vectors of a block. */
  public CovarianceAccumulator add(VectorBlock block) {
    int width = block.width();
    int rows = block.keys().length;
    VectorBlock centred = centred(block, centre);
    centred.sum(sums);
    try (NDManager manager = Torch.manager(Device.cpu())) {
      for (int from = 0; from < rows; from += ROWS) {
        int count = Math.min(ROWS, rows - from);
        int start = from * width;
        NDArray x =
            Torch.floats(
                manager,
                new Shape(count, width),
                b -> b.put(centred.values(), start, count * width));
        long[] exact = NativeKernels.gram(x, scale).toLongArray();
        for (int i = 0; i < exact.length; i++) {
          products[i] = Math.addExact(products[i], exact[i]);
        }
      }
    }
    return this;
  }

  /** Adds what another has summed, of vectors with the same centre and largest value. */
  public CovarianceAccumulator merge(CovarianceAccumulator other) {
    for (int i = 0; i < products.length; i++) {
      products[i] = Math.addExact(products[i], other.products[i]);
    }
    sums.merge(other.sums);
    return this;
  }

  /**
   * A mean and the axes along which vectors spread most.
   *
   * @param mean [C], less the centre
   * @param axes [C, C], orthonormal rows, the widest first
   * @param variances along the axes
   */
  public record Components(float[] mean, float[] axes, double[] variances) {}

  /** The principal components. */
  public Components components() {
    int width = sums.width();
    double n = sums.count(0);
    double[] mean = new double[width];
    double[] covariance = new double[width * width];
    for (int i = 0; i < width; i++) {
      mean[i] = sums.sum(0, i) / n;
    }
    for (int i = 0; i < covariance.length; i++) {
      covariance[i] = products[i] / (scale * scale) / n - mean[i / width] * mean[i % width];
    }
    float[] offset = new float[width];
    for (int i = 0; i < width; i++) {
      offset[i] = (float) mean[i];
    }
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray square = manager.create(covariance, new Shape(width, width));
      NDArray axes = NativeKernels.axes(square);
      NDArray wide = axes.toType(DataType.FLOAT64, false);
      double[] variances = wide.matMul(square).mul(wide).sum(new int[] {1}).toDoubleArray();
      return new Components(offset, Torch.tensor(axes).floats(), variances);
    }
  }
}
