package io.squeeze.jobs.fit;

import io.squeeze.config.Seeds;
import io.squeeze.quantize.KMeans;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.search.Centroids;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;

/**
 * Centroids of lists: k-means of a sample that is drawn by hash, which starts from vectors that are
 * drawn by hash. They depend on the vectors and the seed, never on the cluster.
 */
public final class ListCentroids {
  private ListCentroids() {}

  /**
   * How much is done for the centroids.
   *
   * @param sampled vectors that a list's centroid is computed from, on average
   * @param rounds of k-means
   */
  public record Effort(int sampled, int rounds) {
    /** Lists that are made once and read often. */
    public static final Effort LASTING = new Effort(64, 10);

    /** Lists that are read once. */
    public static final Effort PASSING = new Effort(32, 3);

    /** The share of the vectors that is enough for so many lists. */
    public double share(int lists, long vectors) {
      return Math.min(1, (double) sampled * lists / vectors);
    }
  }

  /** The centroids of a sample. */
  public static Centroids of(
      JavaRDD<VectorBlock> sample, int lists, int width, long seed, Effort effort) {
    int tasks = sample.context().defaultParallelism();
    try (SparkPoints points = new SparkPoints(sample.repartition(tasks), width)) {
      // Half more than are needed, so that there are enough.
      double some = Math.min(1, 1.5 * lists / Math.max(1, points.count()) + 0.001);
      List<Keyed> start = start(points, some, lists, seed);
      if (start.size() < lists) {
        start = start(points, 1, lists, seed);
      }
      float[] values = new float[lists * width];
      for (int i = 0; i < lists; i++) {
        // A sample can be a little smaller than the lists; what is there is used again.
        System.arraycopy(start.get(i % start.size()).vector(), 0, values, i * width, width);
      }
      return new Centroids(
          rounded(new KMeans(effort.rounds(), seed).lloyd(points, values).centroids()), width);
    }
  }

  /** As bfloat16: a list needs no exact centre, and a search reads all of them. */
  private static float[] rounded(float[] centroids) {
    float[] rounded = new float[centroids.length];
    for (int i = 0; i < rounded.length; i++) {
      int bits = Float.floatToIntBits(centroids[i]);
      rounded[i] = Float.intBitsToFloat((bits + (1 << 15)) & -(1 << 16));
    }
    return rounded;
  }

  private static List<Keyed> start(SparkPoints points, double share, int lists, long seed) {
    List<Keyed> drawn = new ArrayList<>(points.sample(Seeds.hash(seed, "lists", ""), share));
    drawn.sort(
        Comparator.comparingLong((Keyed vector) -> Seeds.hash(vector.key(), "lists", ""))
            .thenComparing(Keyed.ORDER));
    return drawn.subList(0, Math.min(lists, drawn.size()));
  }
}
