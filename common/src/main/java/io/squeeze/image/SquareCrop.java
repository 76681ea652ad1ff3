package io.squeeze.image;

import java.io.Serializable;
import java.util.Arrays;

/**
 * Resizes the shorter side and crops the centre, bit for bit as PIL and torchvision do.
 *
 * <p>Photos: PIL's antialiased bilinear (a triangle filter in 22-bit fixed point, columns first, 8
 * bits between the passes). Masks: PIL's nearest. Only the pixels inside the crop are computed, so
 * an image of 1 x 5000 costs no more than any other.
 */
public final class SquareCrop implements Serializable {
  private static final long serialVersionUID = 1L;
  private static final int PRECISION = 22;
  private static final int HALF = 1 << (PRECISION - 1);

  /** The same in both halves of a long, and the place of the high one's whole part. */
  private static final long HALVES = HALF * 0x1_0000_0001L;

  private static final int HIGH = Integer.SIZE + PRECISION;

  /** Pixels of the longest side that a picture is scaled to; all but the crop is never made. */
  private static final int LONGEST = 1 << 27;

  private final int side;
  private final int resize;
  private final boolean squash;

  /**
   * A square of {@code side} pixels.
   *
   * @param resize what the shorter side becomes before the crop, at least {@code side}
   * @param squash whether both sides become {@code resize}, whatever the picture's own shape
   */
  public SquareCrop(int side, int resize, boolean squash) {
    if (resize < side) {
      throw new IllegalArgumentException("Cannot crop " + side + " from " + resize + " pixels");
    }
    this.side = side;
    this.resize = resize;
    this.squash = squash;
  }

  /** Whether a picture of these sides can be scaled: 1 x 10^8 pixels would become 224 x 2 10^10. */
  public boolean scales(int width, int height) {
    return squash || (long) resize * Math.max(width, height) / Math.min(width, height) <= LONGEST;
  }

  /** [H, W, 3] -> [side, side, 3]. */
  public RgbImage apply(RgbImage image) {
    byte[] out = new byte[side * side * 3];
    Rows rows =
        rows(
            image.width(),
            image.height(),
            (row, y) -> {
              for (int i = 0, o = y * side * 3; i < side; i++) {
                out[o++] = (byte) row[i];
                out[o++] = (byte) row[i + side];
                out[o++] = (byte) row[i + 2 * side];
              }
            });
    image.rows(rows.region(), rows);
    return new RgbImage(side, side, out);
  }

  /** Takes a row of the crop, [3, side] of 0..255, which is its own until it returns. */
  interface RowSink {
    void take(int[] row, int y);
  }

  /** Crops a picture while its rows come: at least those of its region, others do no harm. */
  Rows rows(int width, int height, RowSink sink) {
    return new Rows(columns(width, height), rows(width, height), side, sink);
  }

  /**
   * Takes the rows of one picture, from top to bottom. Two rows are filtered at a time, each in
   * half of a long: a sum of weighted bytes takes 30 bits, and one multiplication serves both.
   */
  static final class Rows implements PixelRows {
    private final Filter columns;
    private final Filter rows;
    private final RowSink sink;
    private final long[] pair;

    /** The rows that the next one of the crop is made of, and one more, at their number modulo. */
    private final int[][] ring;

    private final int[] sums;
    private int next;

    private Rows(Filter columns, Filter rows, int side, RowSink sink) {
      this.columns = columns;
      this.rows = rows;
      this.sink = sink;
      this.pair = new long[(columns.end() - columns.start[0]) * 3];
      this.ring = new int[rows.taps + 1][side * 3];
      this.sums = new int[side * 3];
    }

    /** The pixels that the crop is made of. */
    Region region() {
      return new Region(columns.start[0], rows.start[0], columns.end(), rows.end());
    }

    @Override
    public void row(int y, byte[] pixels, int at) {
      if (y < rows.start[0] || y >= rows.end()) {
        return;
      }
      int from = at + columns.start[0] * 3;
      boolean second = (y - rows.start[0]) % 2 == 1;
      if (second) {
        addHigh(pixels, from, pair);
      } else {
        setLow(pixels, from, pair);
      }
      if (second) {
        columns.acrossRows(pair, ring[(y - 1) % ring.length], ring[y % ring.length]);
        crop(y);
        crop(y + 1);
      } else if (y == rows.end() - 1) {
        columns.acrossRows(pair, ring[y % ring.length], ring[(y + 1) % ring.length]);
        crop(y + 1);
      }
    }

    private static void setLow(byte[] pixels, int from, long[] pair) {
      for (int i = 0; i < pair.length; i++) {
        pair[i] = pixels[from + i] & 0xFF;
      }
    }

    private static void addHigh(byte[] pixels, int from, long[] pair) {
      for (int i = 0; i < pair.length; i++) {
        pair[i] |= (pixels[from + i] & 0xFFL) << Integer.SIZE;
      }
    }

    /** The rows of the crop that end before row {@code end}. */
    private void crop(int end) {
      while (next < rows.start.length && rows.start[next] + rows.taps == end) {
        rows.acrossColumns(ring, next, sums);
        sink.take(sums, next++);
      }
    }
  }

  private Filter columns(int width, int height) {
    int resized = resized(width, Math.min(width, height));
    return Filter.of(width, resized, offset(resized), side);
  }

  private Filter rows(int width, int height) {
    int resized = resized(height, Math.min(width, height));
    return Filter.of(height, resized, offset(resized), side);
  }

  /** [H, W] -> [side, side]. */
  public Mask apply(Mask mask) {
    int shorter = Math.min(mask.width(), mask.height());
    int[] xs = nearest(mask.width(), resized(mask.width(), shorter));
    int[] ys = nearest(mask.height(), resized(mask.height(), shorter));
    byte[] labels = mask.data();
    byte[] out = new byte[side * side];
    for (int y = 0, o = 0; y < side; y++) {
      int row = ys[y] * mask.width();
      for (int x : xs) {
        out[o++] = labels[row + x];
      }
    }
    return new Mask(side, side, out);
  }

  private int resized(int length, int shorter) {
    return squash ? resize : (int) ((long) resize * length / shorter);
  }

  /** Python's round((length - side) / 2): halves go to the even number. */
  private int offset(int length) {
    return (int) Math.rint((length - side) / 2.0);
  }

  /** Source positions of the cropped pixels; accumulated, not multiplied, as PIL does. */
  private int[] nearest(int from, int to) {
    int[] positions = new int[side];
    double scale = (double) from / to;
    double at = scale * 0.5;
    int first = offset(to);
    for (int i = 0; i < first + side; i++) {
      if (i >= first) {
        positions[i - first] = from == to ? i : (int) at;
      }
      at += scale;
    }
    return positions;
  }

  /**
   * The weights of one direction, for the pixels inside the crop: of each the same number, filled
   * up with zeros to a number that is fast, where there are so many pixels.
   */
  private record Filter(int[] start, int taps, int[] weights) {

    static Filter of(int from, int to, int first, int count) {
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
      return new Filter(start, taps, all);
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

    /** Row {@code y} of the crop, of rows that lie at their number modulo how many they are. */
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
}
