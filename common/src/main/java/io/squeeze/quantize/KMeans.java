package io.squeeze.quantize;

import io.squeeze.config.Seeds;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Seeded k-means over vectors on one machine or many. A few passes draw candidates, with chances in
 * proportion to the squared distance to the candidates so far (k-means||, Bahmani et al. 2012).
 * K-means++ chooses the first centroids among them (Arthur and Vassilvitskii, 2007), and Lloyd's
 * rounds move the centroids. A centroid without vectors stays. Sums are exact, and draws depend on
 * each vector's key, so the centroids do not depend on how the vectors are split or ordered.
 */
public final class KMeans {
  /** Passes of k-means||, each drawing about as many vectors as there are centroids. */
  private static final int PASSES = 4;

  private final int rounds;
  private final long seed;
  private final boolean unit;

  /** Runs at most {@code rounds} of Lloyd's algorithm. */
  public KMeans(int rounds, long seed) {
    this(rounds, seed, false);
  }

  /**
   * The same for vectors on the unit sphere.
   *
   * @param unit whether centroids are laid on the sphere, too
   */
  public KMeans(int rounds, long seed, boolean unit) {
    this.rounds = rounds;
    this.seed = seed;
    this.unit = unit;
  }

  /**
   * Centroids with how many vectors lie nearest to each.
   *
   * @param centroids [k, d]
   * @param counts [k]
   * @param error the sum of the squared distances
   */
  public record Result(float[] centroids, long[] counts, double error) {}

  /** Vectors in one place or many. */
  public interface Points {
    /** Values of a vector. */
    int width();

    /** The vector whose hash of key and seed is least. */
    Keyed first(long seed);

    /**
     * Counts, sums and squared distances by the nearest of the centroids [k, d].
     *
     * @param summed values of a vector that are summed: all of them, or none
     */
    CodebookStatistics statistics(float[] centroids, int summed);

    /** Counts, sums and squared distances. */
    default CodebookStatistics assign(float[] centroids) {
      return statistics(centroids, width());
    }

    /** Counts and squared distances alone. */
    default CodebookStatistics count(float[] centroids) {
      return statistics(centroids, 0);
    }

    /**
     * The vectors whose hash falls below {@code share} times the squared distance to a centroid.
     */
    List<Keyed> draw(float[] centroids, double share, long seed);
  }

  /** A vector and what names it. */
  public record Keyed(long key, float[] vector) implements Serializable {
    /** By key, then by value. */
    public static final Comparator<Keyed> ORDER =
        Comparator.comparingLong(Keyed::key).thenComparing(Keyed::vector, Arrays::compare);
  }

  /** Clusters the vectors; fewer vectors than centroids are used again and again. */
  public Result run(Points points, int k) {
    return lloyd(points, start(points, k));
  }

  /** Lloyd's rounds from these centroids on, until nothing moves or all are done. */
  public Result lloyd(Points points, float[] start) {
    float[] centroids = start;
    for (int round = 0; round < rounds; round++) {
      float[] moved = moved(points.assign(centroids), centroids, unit);
      boolean still = Arrays.equals(moved, centroids);
      centroids = moved;
      if (still) {
        break;
      }
    }
    // Centroids and counts belong together.
    CodebookStatistics last = points.count(centroids);
    return new Result(centroids, last.counts(), last.distances());
  }

  /** Moves each centroid to the mean of its vectors. A centroid without vectors stays. */
  static float[] moved(CodebookStatistics statistics, float[] centroids, boolean unit) {
    int width = statistics.width();
    float[] moved = centroids.clone();
    for (int k = 0; k < statistics.codes(); k++) {
      for (int j = 0; j < width && statistics.count(k) > 0; j++) {
        moved[k * width + j] = (float) (statistics.sum(k, j) / statistics.count(k));
      }
    }
    return unit ? EmaCodebook.normalised(moved, width) : moved;
  }

  private float[] start(Points points, int k) {
    List<float[]> candidates = new ArrayList<>();
    candidates.add(points.first(Seeds.hash(seed, "k-means", "first")).vector());
    for (int pass = 0; pass < PASSES; pass++) {
      float[] sofar = flat(candidates, points.width());
      double cost = points.count(sofar).distances();
      if (!(cost > 0)) {
        break;
      }
      List<Keyed> drawn =
          new ArrayList<>(
              points.draw(sofar, k / cost, Seeds.hash(seed, "k-means", "pass " + pass)));
      drawn.sort(Keyed.ORDER);
      drawn.forEach(vector -> candidates.add(vector.vector()));
    }
    float[] all = flat(candidates, points.width());
    return plusPlus(all, points.count(all).counts(), points.width(), k);
  }

  private static float[] flat(List<float[]> vectors, int width) {
    float[] flat = new float[vectors.size() * width];
    for (int i = 0; i < vectors.size(); i++) {
      System.arraycopy(vectors.get(i), 0, flat, i * width, width);
    }
    return flat;
  }

  /** Draws centroids among candidates, by weight times squared distance to the nearest so far. */
  private float[] plusPlus(float[] vectors, long[] weights, int width, int k) {
    int n = weights.length;
    SplittableRandom random = Seeds.random(seed, "k-means++");
    float[] centroids = new float[k * width];
    double[] nearest = new double[n];
    Arrays.fill(nearest, Double.POSITIVE_INFINITY);
    int chosen = 0;
    for (int m = 0; m < k; m++) {
      System.arraycopy(vectors, chosen * width, centroids, m * width, width);
      double total = 0;
      for (int i = 0; i < n; i++) {
        nearest[i] = Math.min(nearest[i], squared(vectors, i * width, centroids, m * width, width));
        total += weights[i] * nearest[i];
      }
      double left = random.nextDouble() * total;
      chosen = total > 0 ? -1 : random.nextInt(n);
      for (int i = 0; chosen < 0 && i < n; i++) {
        left -= weights[i] * nearest[i];
        if (left < 0 || i == n - 1) {
          chosen = i;
        }
      }
    }
    return centroids;
  }

  /** |a - b|^2 of vectors within arrays. */
  public static double squared(float[] a, int from, float[] b, int start, int width) {
    double sum = 0;
    for (int j = 0; j < width; j++) {
      float difference = a[from + j] - b[start + j];
      sum += difference * difference;
    }
    return sum;
  }
}
