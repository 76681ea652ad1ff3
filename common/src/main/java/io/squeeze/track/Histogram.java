package io.squeeze.track;

import java.util.Arrays;

/**
 * Values counted in buckets.
 *
 * @param limits right edge of each bucket, ascending
 * @param counts of each bucket
 */
public record Histogram(
    double min, double max, double sum, double squares, double[] limits, double[] counts) {
  private static final int BUCKETS = 48;
  private static final int MOST_BUCKETS = 512;

  /** How often each code occurs; neighbours share a bucket where there are many codes. */
  public static Histogram ofCodes(long[] counts) {
    int wide = (counts.length + MOST_BUCKETS - 1) / MOST_BUCKETS;
    int buckets = (counts.length + wide - 1) / wide;
    double[] limits = new double[buckets];
    double[] uses = new double[buckets];
    double sum = 0;
    double squares = 0;
    for (int k = 0; k < counts.length; k++) {
      limits[k / wide] = k + 1;
      uses[k / wide] += counts[k];
      sum += (double) k * counts[k];
      squares += (double) k * k * counts[k];
    }
    return new Histogram(0, counts.length, sum, squares, limits, uses);
  }

  /** The finite ones of some values, in buckets of one width. */
  public static Histogram of(float[] values) {
    double min = Double.POSITIVE_INFINITY;
    double max = Double.NEGATIVE_INFINITY;
    double sum = 0;
    double squares = 0;
    for (float value : values) {
      if (Float.isFinite(value)) {
        min = Math.min(min, value);
        max = Math.max(max, value);
        sum += value;
        squares += (double) value * value;
      }
    }
    if (min > max) {
      return new Histogram(0, 0, 0, 0, new double[] {0}, new double[] {0});
    }
    double width = max > min ? (max - min) / BUCKETS : 1;
    double first = min;
    double[] limits = new double[BUCKETS];
    Arrays.setAll(limits, i -> first + width * (i + 1));
    double[] counts = new double[BUCKETS];
    for (float value : values) {
      if (Float.isFinite(value)) {
        counts[(int) Math.min(BUCKETS - 1, (value - min) / width)]++;
      }
    }
    return new Histogram(min, max, sum, squares, limits, counts);
  }

  double count() {
    return Arrays.stream(counts).sum();
  }
}
