package io.squeeze.search;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import java.io.Serializable;

/**
 * The codewords of an additive quantizer in one table. A vector is the sum of the codewords of its
 * codes. The squared distance to a query q is {@code |q|^2 + |x|^2 - 2 q x}, and the last part is a
 * sum of one number for each code (asymmetric distance: Jegou, Douze and Schmid, Product
 * Quantization for Nearest Neighbor Search, 2011).
 */
public final class Codewords implements Serializable {
  private static final long serialVersionUID = 1L;

  /** Queries of a matrix product: one shape for all, since a row's last bit depends on it. */
  public static final int QUERIES = 64;

  private final int[] sizes;
  private final int[] offsets;
  private final float[] vectors;
  private final float[] centre;
  private final int width;

  /**
   * A table.
   *
   * @param vectors [level][K * d], of which those of the first level bring what all vectors have in
   *     common: they are stored less their mean, because the products of vectors far from zero
   *     would hide the differences
   */
  public Codewords(float[][] vectors, int width) {
    this.width = width;
    this.sizes = new int[vectors.length];
    this.offsets = new int[vectors.length];
    int all = 0;
    for (int l = 0; l < vectors.length; l++) {
      sizes[l] = vectors[l].length / width;
      offsets[l] = all;
      all += sizes[l];
    }
    this.vectors = new float[all * width];
    for (int l = 0; l < vectors.length; l++) {
      System.arraycopy(vectors[l], 0, this.vectors, offsets[l] * width, vectors[l].length);
    }
    this.centre = mean(vectors[0], width);
    for (int i = 0; i < vectors[0].length; i++) {
      this.vectors[i] -= centre[i % width];
    }
  }

  private static float[] mean(float[] rows, int width) {
    float[] mean = new float[width];
    for (int j = 0; j < width; j++) {
      double sum = 0;
      for (int at = j; at < rows.length; at += width) {
        sum += rows[at];
      }
      mean[j] = (float) (sum * width / rows.length);
    }
    return mean;
  }

  /** Values of a vector. */
  public int width() {
    return width;
  }

  /** Codes of a vector. */
  public int levels() {
    return sizes.length;
  }

  /** Where the numbers of a level begin in a row of {@link #products}. */
  int offset(int level) {
    return offsets[level];
  }

  /** Numbers of a row of {@link #products}. */
  int entries() {
    return vectors.length / width;
  }

  /** The vector of codes, less the centre, into {@code vector} [d]. */
  void sum(int[] codes, int from, float[] vector) {
    java.util.Arrays.fill(vector, 0);
    for (int l = 0; l < sizes.length; l++) {
      int at = (offsets[l] + codes[from + l]) * width;
      for (int j = 0; j < width; j++) {
        vector[j] += vectors[at + j];
      }
    }
  }

  /** The vector of the codes from a place on, [d]. */
  public float[] decode(int[] codes, int from) {
    float[] vector = new float[width];
    sum(codes, from, vector);
    for (int j = 0; j < width; j++) {
      vector[j] += centre[j];
    }
    return vector;
  }

  /** A vector less the centre. */
  private float[] centred(float[] vector) {
    float[] less = new float[width];
    for (int j = 0; j < width; j++) {
      less[j] = vector[j] - centre[j];
    }
    return less;
  }

  /** The squared norm of a query, less the centre: what {@link CodeList#scan} leaves out. */
  public float square(float[] query) {
    return square(centred(query), 0, width);
  }

  static float square(float[] values, int from, int width) {
    double sum = 0;
    for (int j = from; j < from + width; j++) {
      sum += (double) values[j] * values[j];
    }
    return (float) sum;
  }

  /**
   * What {@link CodeList#scan} adds for each code: {@code -2 q c}, for at most {@link #QUERIES}
   * queries.
   *
   * @return [QUERIES][sum of the levels' codes]
   */
  public float[] products(float[][] queries) {
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray rows =
          Torch.floats(
              manager,
              new Shape(QUERIES, width),
              buffer -> {
                for (float[] query : queries) {
                  buffer.put(centred(query));
                }
                buffer.put(new float[buffer.remaining()]);
              });
      NDArray book =
          Torch.floats(manager, new Shape(entries(), width), buffer -> buffer.put(vectors));
      NDArray none = manager.zeros(new Shape(entries()));
      float[] products = new float[QUERIES * entries()];
      Torch.copy(NativeKernels.scores(rows, book, none), products, 0, products.length);
      return products;
    }
  }
}
