package io.squeeze.quantize;

/**
 * Draws the mean of a codeword's vectors towards zero: a mean of few vectors follows their noise.
 * The mean of n vectors is multiplied by {@code n / (n + ridge)}, as if so many vectors of zero had
 * been there, too. Where the codewords leave little, there is little noise, and the ridge is low.
 */
final class Shrinkage {
  /** Found on real features; it changes little where a codeword has hundreds of vectors. */
  private static final double MOST = 8;

  private Shrinkage() {}

  /**
   * The ridge of a codebook.
   *
   * @param words [K * d]
   * @param counts vectors of each
   * @param error squared errors of all vectors
   */
  static double ridge(float[] words, long[] counts, double error) {
    int width = words.length / counts.length;
    float[] zero = new float[width];
    double spread = 0;
    for (int k = 0; k < counts.length; k++) {
      spread += counts[k] * KMeans.squared(words, k * width, zero, 0, width);
    }
    return error < spread ? MOST * error / spread : MOST;
  }

  /** The centroids of k-means, those of few vectors nearer to zero. */
  static KMeans.Result of(KMeans.Result centroids) {
    long[] counts = centroids.counts();
    float[] shrunk = centroids.centroids().clone();
    double ridge = ridge(shrunk, counts, centroids.error());
    int width = shrunk.length / counts.length;
    for (int i = 0; i < shrunk.length; i++) {
      long n = counts[i / width];
      shrunk[i] = n > 0 ? (float) (shrunk[i] * n / (n + ridge)) : shrunk[i];
    }
    return new KMeans.Result(shrunk, counts, centroids.error());
  }
}
