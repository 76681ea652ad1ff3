package io.squeeze.image;

import java.util.Arrays;

/**
 * The weights of a resize in one direction, for the pixels inside the crop. All pixels have the
 * same number of weights. Zeros fill it up to a number that is fast, if the picture has so many
 * pixels.
 */
record BilinearFilter(int[] start, int taps, int[] weights) {
  private static final int PRECISION = 22;
  private static final int HALF = 1 << (PRECISION - 1);

  /** The same in both halves of a long, and the place of the high one's whole part. */
  private static final long HALVES = HALF * 0x1_0000_0001L;

  private static final int HIGH = Integer.SIZE + PRECISION;

  static BilinearFilter of(int from, int to, int first, int count) {
    double scale = (double) from / to;
    double support = Math.max(scale, 1.0);
    int[] start = new int[count];
    int[][] fixed = new int[count][];
    int longest = 0;
    for (int i = 0; i < count; i++) {
      double centre = (first + i + 0.5) * scale;
      int low = Math.max((int) (centre - support + 0.5), 0);
      int high = Math.min((int) (centre + support + 0.5), from);
      start[i] = low;
      fixed[i] = weights(low, high, centre, support);
      longest = Math.max(longest, high - low);
    }
    int usual = longest <= 4 ? 4 : longest <= 6 ? 6 : longest;
    int taps = Math.min(from, usual);
    int[] all = new int[count * taps];
    for (int i = 0; i < count; i++) {
      int shift = Math.max(0, start[i] + taps - from);
      start[i] -= shift;
      System.arraycopy(fixed[i], 0, all, i * taps + shift, fixed[i].length);
    }
    return new BilinearFilter(start, taps, all);
  }

  private static int[] weights(int low, int high, double centre, double support) {
    double[] raw = new double[high - low];
    double sum = 0;
    for (int k = 0; k < raw.length; k++) {
      double distance = Math.abs((k + low - centre + 0.5) * (1.0 / support));
      raw[k] = distance < 1.0 ? 1.0 - distance : 0.0;
      sum += raw[k];
    }
    int[] fixed = new int[raw.length];
    for (int k = 0; k < raw.length; k++) {
      fixed[k] = (int) (0.5 + raw[k] / sum * (1 << PRECISION));
    }
    return fixed;
  }

  /** Behind the last pixel that has a weight. */
  int end() {
    return start[start.length - 1] + taps;
  }

  /**
   * Two rows of interleaved pixels, from the first that has a weight, to their planes, one after
   * the other. Few weights, of photos up to two and a half times the crop, take no loop.
   */
  void acrossRows(long[] pair, int[] low, int[] high) {
    if (taps == 4) {
      acrossFour(pair, low, high);
    } else if (taps == 6) {
      acrossSix(pair, low, high);
    } else {
      acrossMany(pair, low, high);
    }
  }

  private void acrossFour(long[] s, int[] low, int[] high) {
    int count = start.length;
    for (int x = 0, k = 0; x < count; x++, k += 4) {
      int p = (start[x] - start[0]) * 3;
      long a = weights[k];
      long b = weights[k + 1];
      long c = weights[k + 2];
      long d = weights[k + 3];
      long red = HALVES + s[p] * a + s[p + 3] * b + s[p + 6] * c + s[p + 9] * d;
      long green = HALVES + s[p + 1] * a + s[p + 4] * b + s[p + 7] * c + s[p + 10] * d;
      long blue = HALVES + s[p + 2] * a + s[p + 5] * b + s[p + 8] * c + s[p + 11] * d;
      low[x] = (int) red >> PRECISION;
      low[x + count] = (int) green >> PRECISION;
      low[x + 2 * count] = (int) blue >> PRECISION;
      high[x] = (int) (red >> HIGH);
      high[x + count] = (int) (green >> HIGH);
      high[x + 2 * count] = (int) (blue >> HIGH);
    }
  }

  private void acrossSix(long[] s, int[] low, int[] high) {
    int count = start.length;
    for (int x = 0, k = 0; x < count; x++, k += 6) {
      int p = (start[x] - start[0]) * 3;
      long a = weights[k];
      long b = weights[k + 1];
      long c = weights[k + 2];
      long d = weights[k + 3];
      long e = weights[k + 4];
      long f = weights[k + 5];
      long red = HALVES + s[p] * a + s[p + 3] * b + s[p + 6] * c;
      long green = HALVES + s[p + 1] * a + s[p + 4] * b + s[p + 7] * c;
      long blue = HALVES + s[p + 2] * a + s[p + 5] * b + s[p + 8] * c;
      red += s[p + 9] * d + s[p + 12] * e + s[p + 15] * f;
      green += s[p + 10] * d + s[p + 13] * e + s[p + 16] * f;
      blue += s[p + 11] * d + s[p + 14] * e + s[p + 17] * f;
      low[x] = (int) red >> PRECISION;
      low[x + count] = (int) green >> PRECISION;
      low[x + 2 * count] = (int) blue >> PRECISION;
      high[x] = (int) (red >> HIGH);
      high[x + count] = (int) (green >> HIGH);
      high[x + 2 * count] = (int) (blue >> HIGH);
    }
  }

  private void acrossMany(long[] s, int[] low, int[] high) {
    int count = start.length;
    for (int x = 0, k = 0; x < count; x++) {
      long red = HALVES;
      long green = HALVES;
      long blue = HALVES;
      int p = (start[x] - start[0]) * 3;
      for (int end = k + taps; k < end; k++, p += 3) {
        long weight = weights[k];
        red += s[p] * weight;
        green += s[p + 1] * weight;
        blue += s[p + 2] * weight;
      }
      low[x] = clip((int) red);
      low[x + count] = clip((int) green);
      low[x + 2 * count] = clip((int) blue);
      high[x] = clip((int) (red >> Integer.SIZE));
      high[x + count] = clip((int) (green >> Integer.SIZE));
      high[x + 2 * count] = clip((int) (blue >> Integer.SIZE));
    }
  }

  /**
   * Computes row {@code y} of the crop. The ring holds row i of the picture at index i modulo its
   * length.
   */
  void acrossColumns(int[][] ring, int y, int[] sums) {
    Arrays.fill(sums, HALF);
    for (int k = 0; k < taps; k++) {
      int weight = weights[y * taps + k];
      if (weight != 0) {
        add(ring[(start[y] + k) % ring.length], weight, sums);
      }
    }
    for (int x = 0; x < sums.length; x++) {
      sums[x] = clip(sums[x]);
    }
  }

  private static void add(int[] source, int weight, int[] sums) {
    for (int x = 0; x < sums.length; x++) {
      sums[x] += source[x] * weight;
    }
  }

  /** At most 255, in a form that the JIT compiler makes vectors of. */
  private static int clip(int fixed) {
    int over = (fixed >> PRECISION) - 255;
    return 255 + (over & (over >> 31));
  }
}
