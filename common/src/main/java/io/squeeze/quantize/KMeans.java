package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.Seeds;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Seeded k-means: k-means++ draws the first means (Arthur and Vassilvitskii, 2007), Lloyd's rounds
 * move them. A mean without members stays where it is.
 */
public final class KMeans {
  private final int rounds;
  private final long seed;

  /** Runs {@code rounds} of Lloyd's algorithm. */
  public KMeans(int rounds, long seed) {
    this.rounds = rounds;
    this.seed = seed;
  }

  /**
   * Means with how many vectors lie nearest to each.
   *
   * @param means [k, d]
   * @param counts [k]
   */
  public record Result(float[] means, long[] counts) {}

  /**
   * Clusters the vectors; fewer vectors than means are used again and again.
   *
   * @param vectors [n, d], n at least 1; their order matters
   */
  public Result run(float[] vectors, int width, int k) {
    int n = vectors.length / width;
    float[] means = plusPlus(vectors, width, k);
    long[] counts = new long[k];
    try (NDManager manager = Torch.manager(ai.djl.Device.cpu())) {
      NDArray points = Torch.floats(manager, new Shape(n, width), b -> b.put(vectors));
      for (int round = 0; round <= rounds; round++) {
        try (NDManager scope = manager.newSubManager()) {
          float[] current = means;
          NDArray book = Torch.floats(scope, new Shape(k, width), b -> b.put(current));
          NDArray view = points.duplicate();
          view.attach(scope);
          long[] codes = NativeKernels.nearest(view, book).toLongArray();
          Arrays.fill(counts, 0);
          for (long code : codes) {
            counts[(int) code]++;
          }
          // The last pass only counts: means and counts then belong together.
          if (round < rounds) {
            means = moved(vectors, width, codes, counts, means);
          }
        }
      }
    }
    return new Result(means, counts);
  }

  private static float[] moved(
      float[] vectors, int width, long[] codes, long[] counts, float[] old) {
    double[] sums = new double[old.length];
    for (int i = 0; i < codes.length; i++) {
      int to = (int) codes[i] * width;
      for (int j = 0; j < width; j++) {
        sums[to + j] += vectors[i * width + j];
      }
    }
    float[] means = old.clone();
    for (int k = 0; k < counts.length; k++) {
      for (int j = 0; counts[k] > 0 && j < width; j++) {
        means[k * width + j] = (float) (sums[k * width + j] / counts[k]);
      }
    }
    return means;
  }

  /** Draws each mean with a chance in proportion to its squared distance to the nearest so far. */
  private float[] plusPlus(float[] vectors, int width, int k) {
    int n = vectors.length / width;
    SplittableRandom random = Seeds.random(seed, "k-means++");
    float[] means = new float[k * width];
    double[] nearest = new double[n];
    Arrays.fill(nearest, Double.POSITIVE_INFINITY);
    int chosen = random.nextInt(n);
    for (int m = 0; m < k; m++) {
      System.arraycopy(vectors, chosen * width, means, m * width, width);
      double total = 0;
      for (int i = 0; i < n; i++) {
        double distance = 0;
        for (int j = 0; j < width; j++) {
          float difference = vectors[i * width + j] - means[m * width + j];
          distance += difference * difference;
        }
        nearest[i] = Math.min(nearest[i], distance);
        total += nearest[i];
      }
      double left = random.nextDouble() * total;
      chosen = total > 0 ? -1 : random.nextInt(n);
      for (int i = 0; chosen < 0 && i < n; i++) {
        left -= nearest[i];
        if (left < 0 || i == n - 1) {
          chosen = i;
        }
      }
    }
    return means;
  }
}
