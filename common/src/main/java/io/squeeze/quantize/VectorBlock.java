package io.squeeze.quantize;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.Seeds;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.LongPredicate;
import java.util.stream.IntStream;

/**
 * Some vectors, each with a key. The key names a vector on every machine: it is a hash of the
 * sample's id and the vector's position.
 *
 * @param keys [n]
 * @param values [n, d]
 */
public record VectorBlock(long[] keys, float[] values) implements KMeans.Points, Serializable {

  public VectorBlock {
    if (keys.length == 0 || values.length % keys.length != 0) {
      throw new IllegalArgumentException(
          "Invalid block: " + keys.length + " keys, " + values.length + " values");
    }
  }

  /** The vectors that were chosen, in their order. */
  public static VectorBlock of(List<KMeans.Keyed> vectors) {
    int width = vectors.get(0).vector().length;
    long[] keys = new long[vectors.size()];
    float[] values = new float[keys.length * width];
    for (int i = 0; i < keys.length; i++) {
      keys[i] = vectors.get(i).key();
      System.arraycopy(vectors.get(i).vector(), 0, values, i * width, width);
    }
    return new VectorBlock(keys, values);
  }

  @Override
  public int width() {
    return values.length / keys.length;
  }

  /** The vector at a place. */
  public KMeans.Keyed at(int i) {
    return new KMeans.Keyed(keys[i], Arrays.copyOfRange(values, i * width(), (i + 1) * width()));
  }

  /** The vectors whose keys are taken; empty where there are none. */
  public Optional<VectorBlock> where(LongPredicate taken) {
    List<KMeans.Keyed> some =
        IntStream.range(0, keys.length)
            .filter(i -> taken.test(keys[i]))
            .mapToObj(this::at)
            .toList();
    return some.isEmpty() ? Optional.empty() : Optional.of(of(some));
  }

  private static long place(long seed, long key) {
    return Seeds.hash(seed ^ key, "vector", "");
  }

  /** Orders vectors for a draw: by hash of seed and key, then as they are. */
  public static java.util.Comparator<KMeans.Keyed> drawn(long seed) {
    return java.util.Comparator.<KMeans.Keyed>comparingLong(v -> place(seed, v.key()))
        .thenComparing(KMeans.Keyed.ORDER);
  }

  @Override
  public KMeans.Keyed first(long seed) {
    KMeans.Keyed first = at(0);
    for (int i = 1; i < keys.length; i++) {
      if (place(seed, keys[i]) <= place(seed, first.key())) {
        KMeans.Keyed other = at(i);
        first = drawn(seed).compare(other, first) < 0 ? other : first;
      }
    }
    return first;
  }

  /** The nearest mean of each vector, [n]. */
  public int[] nearest(float[] centroids) {
    int d = width();
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray points = Torch.floats(manager, new Shape(keys.length, d), b -> b.put(values));
      NDArray book =
          Torch.floats(manager, new Shape(centroids.length / d, d), b -> b.put(centroids));
      long[] codes = NativeKernels.nearest(points, book).toLongArray();
      return Arrays.stream(codes).mapToInt(Math::toIntExact).toArray();
    }
  }

  /** The largest magnitude among the values. */
  public double largest() {
    double largest = 0;
    for (float value : values) {
      largest = Math.max(largest, Math.abs(value));
    }
    return largest;
  }

  /** Adds all vectors to the one code of statistics. */
  public CodebookStatistics sum(CodebookStatistics into) {
    int d = width();
    for (int row = 0; row < keys.length; row++) {
      into.add(0, values, row * d);
    }
    return into;
  }

  /** Adds all vectors, and their squared distances to a centre [d], to statistics of one code. */
  public CodebookStatistics spread(float[] centre, CodebookStatistics into) {
    for (int row = 0; row < keys.length; row++) {
      into.addDistance(KMeans.squared(values, row * width(), centre, 0, width()));
    }
    return sum(into);
  }

  @Override
  public CodebookStatistics statistics(float[] centroids, int summed) {
    int exponent = CodebookStatistics.exponent(largest());
    return assign(centroids, new CodebookStatistics(centroids.length / width(), summed, exponent));
  }

  /**
   * Adds this block's vectors to statistics of the centroids [k, d]; of width 0 they sum nothing.
   */
  public CodebookStatistics assign(float[] centroids, CodebookStatistics into) {
    int d = width();
    int[] codes = nearest(centroids);
    for (int i = 0; i < codes.length; i++) {
      into.add(codes[i], values, i * d);
      into.addDistance(KMeans.squared(values, i * d, centroids, codes[i] * d, d));
    }
    return into;
  }

  @Override
  public List<KMeans.Keyed> draw(float[] centroids, double share, long seed) {
    int d = width();
    int[] codes = nearest(centroids);
    List<KMeans.Keyed> drawn = new ArrayList<>();
    for (int i = 0; i < codes.length; i++) {
      double distance = KMeans.squared(values, i * d, centroids, codes[i] * d, d);
      if (Seeds.takes(place(seed, keys[i]), share * distance)) {
        drawn.add(at(i));
      }
    }
    return drawn;
  }
}
