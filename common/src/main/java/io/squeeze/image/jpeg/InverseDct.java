package io.squeeze.image.jpeg;

/**
 * The inverse cosine transform of Loeffler, Ligtenberg and Moschytz (ICASSP 1989) in 13-bit fixed
 * point, rounded as libjpeg's accurate integer method, and its forms for smaller outputs.
 *
 * <p>Sums are cut to 16 bits and saturated where libjpeg-turbo's vector code does it: only damaged
 * files can show it.
 */
final class InverseDct {
  private static final int BITS = 13;

  /** Extra bits between the passes. */
  private static final int PASS = 2;

  /** What the passes shift by: columns first, then rows, with the 8 of the transform's scale. */
  private static final int COLUMNS = BITS - PASS;

  private static final int ROWS = BITS + PASS + 3;

  private static final int F_0_211 = 1730;
  private static final int F_0_298 = 2446;
  private static final int F_0_390 = 3196;
  private static final int F_0_509 = 4176;
  private static final int F_0_541 = 4433;
  private static final int F_0_601 = 4926;
  private static final int F_0_720 = 5906;
  private static final int F_0_765 = 6270;
  private static final int F_0_850 = 6967;
  private static final int F_0_899 = 7373;
  private static final int F_1_061 = 8697;
  private static final int F_1_175 = 9633;
  private static final int F_1_272 = 10426;
  private static final int F_1_451 = 11893;
  private static final int F_1_501 = 12299;
  private static final int F_1_847 = 15137;
  private static final int F_1_961 = 16069;
  private static final int F_2_053 = 16819;
  private static final int F_2_172 = 17799;
  private static final int F_2_562 = 20995;
  private static final int F_3_072 = 25172;
  private static final int F_3_624 = 29692;

  /** What the longest wave adds to the first four of eight points. */
  private static final int[] WAVE = {
    F_1_501 - F_0_899 + F_1_175 - F_0_390, F_1_175, F_1_175 - F_0_390, F_1_175 - F_0_899
  };

  private final int[] between = new int[64];
  private final int[] points = new int[4];

  /**
   * Samples of one block.
   *
   * @param block 64 dequantized coefficients in natural order
   * @param last a zigzag position behind which all are zero
   * @param side of the output: 8, 4, 2 or 1
   */
  void apply(int[] block, int last, int side, int[] out, int at, int stride) {
    if (last == 0 || side == 1) {
      flat(block[0], side, out, at, stride);
    } else if (side == 4) {
      four(block, out, at, stride);
    } else if (side == 2) {
      two(block, out, at, stride);
    } else if (last < 3) {
      slope(block, out, at, stride);
    } else {
      // The first ten in zigzag order lie within the upper left 4 x 4.
      int columns = last < 10 ? 4 : 8;
      columns(block, columns);
      rows(columns, out, at, stride);
    }
  }

  private static void flat(int dc, int side, int[] out, int at, int stride) {
    int value = sample((dc << (BITS + PASS)) + half(ROWS), ROWS);
    for (int y = 0; y < side; y++) {
      java.util.Arrays.fill(out, at + y * stride, at + y * stride + side, value);
    }
  }

  /** A block of three coefficients at most: its mean, and the longest wave each way. */
  private void slope(int[] in, int[] out, int at, int stride) {
    int even = (in[0] << BITS) + half(COLUMNS);
    int across = saturate(in[1] << PASS);
    for (int i = 0; i < 4; i++) {
      int wave = in[8] * WAVE[i];
      between[i] = saturate((even + wave) >> COLUMNS);
      between[7 - i] = saturate((even - wave) >> COLUMNS);
      points[i] = across * WAVE[i];
    }
    for (int y = 0, o = at; y < 8; y++, o += stride) {
      int mean = (between[y] << BITS) + half(ROWS);
      for (int i = 0; i < 4; i++) {
        out[o + i] = sample(mean + points[i], ROWS);
        out[o + 7 - i] = sample(mean - points[i], ROWS);
      }
    }
  }

  /** Columns to rows of {@link #between}. Of {@code rows} = 4 the lower four are zero. */
  private void columns(int[] in, int rows) {
    int[] w = between;
    for (int x = 0; x < rows; x++) {
      int c0 = in[x];
      int c1 = in[x + 8];
      int c2 = in[x + 16];
      int c3 = in[x + 24];
      int c4 = 0;
      int c5 = 0;
      int c6 = 0;
      int c7 = 0;
      if (rows == 8) {
        c4 = in[x + 32];
        c5 = in[x + 40];
        c6 = in[x + 48];
        c7 = in[x + 56];
      }
      if ((c1 | c2 | c3 | c4 | c5 | c6 | c7) == 0) {
        int dc = saturate(c0 << PASS);
        for (int y = x; y < 64; y += 8) {
          w[y] = dc;
        }
        continue;
      }
      int even2 = c2 * F_0_541 + c6 * (F_0_541 - F_1_847);
      int even3 = c2 * (F_0_541 + F_0_765) + c6 * F_0_541;
      int even0 = (short) (c0 + c4) << BITS;
      int even1 = (short) (c0 - c4) << BITS;
      int t10 = even0 + even3 + half(COLUMNS);
      int t13 = even0 - even3 + half(COLUMNS);
      int t11 = even1 + even2 + half(COLUMNS);
      int t12 = even1 - even2 + half(COLUMNS);
      int z3 = (short) (c7 + c3);
      int z4 = (short) (c5 + c1);
      int a = z3 * (F_1_175 - F_1_961) + z4 * F_1_175;
      int b = z3 * F_1_175 + z4 * (F_1_175 - F_0_390);
      int o0 = c7 * (F_0_298 - F_0_899) - c1 * F_0_899 + a;
      int o3 = c1 * (F_1_501 - F_0_899) - c7 * F_0_899 + b;
      int o1 = c5 * (F_2_053 - F_2_562) - c3 * F_2_562 + b;
      int o2 = c3 * (F_3_072 - F_2_562) - c5 * F_2_562 + a;
      w[x] = saturate((t10 + o3) >> COLUMNS);
      w[x + 56] = saturate((t10 - o3) >> COLUMNS);
      w[x + 8] = saturate((t11 + o2) >> COLUMNS);
      w[x + 48] = saturate((t11 - o2) >> COLUMNS);
      w[x + 16] = saturate((t12 + o1) >> COLUMNS);
      w[x + 40] = saturate((t12 - o1) >> COLUMNS);
      w[x + 24] = saturate((t13 + o0) >> COLUMNS);
      w[x + 32] = saturate((t13 - o0) >> COLUMNS);
    }
  }

  private void rows(int columns, int[] out, int at, int stride) {
    int[] w = between;
    int half = half(ROWS);
    for (int r = 0, o = at; r < 64; r += 8, o += stride) {
      int c0 = w[r];
      int c1 = w[r + 1];
      int c2 = w[r + 2];
      int c3 = w[r + 3];
      int c4 = 0;
      int c5 = 0;
      int c6 = 0;
      int c7 = 0;
      if (columns == 8) {
        c4 = w[r + 4];
        c5 = w[r + 5];
        c6 = w[r + 6];
        c7 = w[r + 7];
      }
      int even2 = c2 * F_0_541 + c6 * (F_0_541 - F_1_847);
      int even3 = c2 * (F_0_541 + F_0_765) + c6 * F_0_541;
      int even0 = ((short) (c0 + c4) << BITS) + half;
      int even1 = ((short) (c0 - c4) << BITS) + half;
      int t10 = even0 + even3;
      int t13 = even0 - even3;
      int t11 = even1 + even2;
      int t12 = even1 - even2;
      int z3 = (short) (c7 + c3);
      int z4 = (short) (c5 + c1);
      int a = z3 * (F_1_175 - F_1_961) + z4 * F_1_175;
      int b = z3 * F_1_175 + z4 * (F_1_175 - F_0_390);
      int o0 = c7 * (F_0_298 - F_0_899) - c1 * F_0_899 + a;
      int o3 = c1 * (F_1_501 - F_0_899) - c7 * F_0_899 + b;
      int o1 = c5 * (F_2_053 - F_2_562) - c3 * F_2_562 + b;
      int o2 = c3 * (F_3_072 - F_2_562) - c5 * F_2_562 + a;
      out[o] = sample(t10 + o3, ROWS);
      out[o + 7] = sample(t10 - o3, ROWS);
      out[o + 1] = sample(t11 + o2, ROWS);
      out[o + 6] = sample(t11 - o2, ROWS);
      out[o + 2] = sample(t12 + o1, ROWS);
      out[o + 5] = sample(t12 - o1, ROWS);
      out[o + 3] = sample(t13 + o0, ROWS);
      out[o + 4] = sample(t13 - o0, ROWS);
    }
  }

  private void four(int[] in, int[] out, int at, int stride) {
    int[] w = between;
    int shift = COLUMNS + 1;
    for (int x = 0; x < 8; x++) {
      if (x == 4) {
        continue;
      }
      fourPoints(
          in[x], in[x + 8], in[x + 16], in[x + 24], in[x + 40], in[x + 48], in[x + 56], shift);
      for (int y = 0; y < 4; y++) {
        w[y * 8 + x] = saturate(points[y]);
      }
    }
    for (int y = 0; y < 4; y++) {
      int r = y * 8;
      int rowShift = ROWS + 1;
      fourPoints(w[r], w[r + 1], w[r + 2], w[r + 3], w[r + 5], w[r + 6], w[r + 7], rowShift);
      for (int x = 0; x < 4; x++) {
        out[at + y * stride + x] = sample(points[x], 0);
      }
    }
  }

  private void fourPoints(int c0, int c1, int c2, int c3, int c5, int c6, int c7, int shift) {
    int even = (c0 << (BITS + 1)) + half(shift);
    int turn = c2 * F_1_847 - c6 * F_0_765;
    int odd0 = -c7 * F_0_211 + c5 * F_1_451 - c3 * F_2_172 + c1 * F_1_061;
    int odd2 = -c7 * F_0_509 - c5 * F_0_601 + c3 * F_0_899 + c1 * F_2_562;
    points[0] = (even + turn + odd2) >> shift;
    points[3] = (even + turn - odd2) >> shift;
    points[1] = (even - turn + odd0) >> shift;
    points[2] = (even - turn - odd0) >> shift;
  }

  private void two(int[] in, int[] out, int at, int stride) {
    int[] w = between;
    int shift = COLUMNS + 2;
    for (int x = 0; x < 8; x++) {
      if (x == 0 || x % 2 == 1) {
        int even = (in[x] << (BITS + 2)) + half(shift);
        int odd = twoOdd(in[x + 8], in[x + 24], in[x + 40], in[x + 56]);
        w[x] = saturate((even + odd) >> shift);
        w[x + 8] = saturate((even - odd) >> shift);
      }
    }
    int rowShift = ROWS + 2;
    for (int y = 0; y < 2; y++) {
      int r = y * 8;
      int even = (w[r] << (BITS + 2)) + half(rowShift);
      int odd = twoOdd(w[r + 1], w[r + 3], w[r + 5], w[r + 7]);
      out[at + y * stride] = sample(even + odd, rowShift);
      out[at + y * stride + 1] = sample(even - odd, rowShift);
    }
  }

  private static int twoOdd(int c1, int c3, int c5, int c7) {
    return c1 * F_3_624 - c3 * F_1_272 + c5 * F_0_850 - c7 * F_0_720;
  }

  private static int half(int shift) {
    return 1 << (shift - 1);
  }

  private static int saturate(int value) {
    return value == (short) value ? value : value < 0 ? Short.MIN_VALUE : Short.MAX_VALUE;
  }

  private static int sample(int fixed, int shift) {
    int value = (fixed >> shift) + 128;
    return (value & ~0xFF) == 0 ? value : value < 0 ? 0 : 255;
  }
}
