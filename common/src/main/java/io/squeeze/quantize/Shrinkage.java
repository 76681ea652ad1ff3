package io.squeeze.quantize;

/**
 * Draws the mean of a codeword's vectors towards zero: a mean of few vectors follows their noise.
 * The mean of n vectors is multiplied by {@code n / (n + RIDGE)}, as if so many vectors of zero had
 * been there, too.
 */
final class Shrinkage {
  /** Found on real features; it changes little where a codeword has hundreds of vectors. */
  static final double RIDGE = 8;

  private Shrinkage() {}

  /** The centroids of k-means, those of few vectors nearer to zero. */
  static KMeans.Result of(KMeans.Result centroids) {
    long[] counts = centroids.counts();
    float[] shrunk = centroids.centroids().clone();
    int width = shrunk.length / counts.length;
    for (int i = 0; i < shrunk.length; i++) {
      long n = counts[i / width];
      shrunk[i] = n > 0 ? (float) (shrunk[i] * n / (n + RIDGE)) : shrunk[i];
    }
    return new KMeans.Result(shrunk, counts);
  }
}
