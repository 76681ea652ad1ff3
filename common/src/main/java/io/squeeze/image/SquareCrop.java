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

  /** Takes the rows of one picture. */
  static final class Rows implements PixelRows {
    private final Filter columns;
    private final Filter rows;
    private final RowSink sink;

    /** The rows that the next one of the crop is made of, at their number modulo how many. */
    private final int[][] ring;

    private final int[] sums;
    private int next;

    private Rows(Filter columns, Filter rows, int side, RowSink sink) {
      this.columns = columns;
      this.rows = rows;
      this.sink = sink;
      this.ring = new int[rows.taps][side * 3];
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
      columns.acrossRow(pixels, at, ring[y % rows.taps]);
      while (next < rows.start.length && rows.start[next] + rows.taps == y + 1) {
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
     * One row of interleaved pixels to its planes, one after the other. Few weights, of photos up
     * to two and a half times the crop, take no loop.
     */
    void acrossRow(byte[] source, int at, int[] target) {
      if (taps == 4) {
        acrossFour(source, at, target);
      } else if (taps == 6) {
        acrossSix(source, at, target);
      } else {
        acrossMany(source, at, target);
      }
    }

    private void acrossFour(byte[] s, int at, int[] target) {
      int count = start.length;
      int[] w = weights;
      for (int x = 0, k = 0; x < count; x++, k += 4) {
        int p = at + start[x] * 3;
        int a = w[k];
        int b = w[k + 1];
        int c = w[k + 2];
        int d = w[k + 3];
        int red = HALF + (s[p] & 0xFF) * a + (s[p + 3] & 0xFF) * b;
        int green = HALF + (s[p + 1] & 0xFF) * a + (s[p + 4] & 0xFF) * b;
        int blue = HALF + (s[p + 2] & 0xFF) * a + (s[p + 5] & 0xFF) * b;
        red += (s[p + 6] & 0xFF) * c + (s[p + 9] & 0xFF) * d;
        green += (s[p + 7] & 0xFF) * c + (s[p + 10] & 0xFF) * d;
        blue += (s[p + 8] & 0xFF) * c + (s[p + 11] & 0xFF) * d;
        target[x] = red >> PRECISION;
        target[x + count] = green >> PRECISION;
        target[x + 2 * count] = blue >> PRECISION;
      }
    }

    private void acrossSix(byte[] s, int at, int[] target) {
      int count = start.length;
      int[] w = weights;
      for (int x = 0, k = 0; x < count; x++, k += 6) {
        int p = at + start[x] * 3;
        int a = w[k];
        int b = w[k + 1];
        int c = w[k + 2];
        int d = w[k + 3];
        int e = w[k + 4];
        int f = w[k + 5];
        int red = HALF + (s[p] & 0xFF) * a + (s[p + 3] & 0xFF) * b;
        int green = HALF + (s[p + 1] & 0xFF) * a + (s[p + 4] & 0xFF) * b;
        int blue = HALF + (s[p + 2] & 0xFF) * a + (s[p + 5] & 0xFF) * b;
        red += (s[p + 6] & 0xFF) * c + (s[p + 9] & 0xFF) * d;
        green += (s[p + 7] & 0xFF) * c + (s[p + 10] & 0xFF) * d;
        blue += (s[p + 8] & 0xFF) * c + (s[p + 11] & 0xFF) * d;
        red += (s[p + 12] & 0xFF) * e + (s[p + 15] & 0xFF) * f;
        green += (s[p + 13] & 0xFF) * e + (s[p + 16] & 0xFF) * f;
        blue += (s[p + 14] & 0xFF) * e + (s[p + 17] & 0xFF) * f;
        target[x] = red >> PRECISION;
        target[x + count] = green >> PRECISION;
        target[x + 2 * count] = blue >> PRECISION;
      }
    }

    private void acrossMany(byte[] source, int at, int[] target) {
      int count = start.length;
      for (int x = 0, k = 0; x < count; x++) {
        int red = HALF;
        int green = HALF;
        int blue = HALF;
        int p = at + start[x] * 3;
        for (int end = k + taps; k < end; k++, p += 3) {
          int weight = weights[k];
          red += (source[p] & 0xFF) * weight;
          green += (source[p + 1] & 0xFF) * weight;
          blue += (source[p + 2] & 0xFF) * weight;
        }
        target[x] = clip(red);
        target[x + count] = clip(green);
        target[x + 2 * count] = clip(blue);
      }
    }

    /** Row {@code y} of the crop, of rows that lie at their number modulo how many they are. */
    void acrossColumns(int[][] ring, int y, int[] sums) {
      Arrays.fill(sums, HALF);
      for (int k = 0; k < taps; k++) {
        int weight = weights[y * taps + k];
        if (weight != 0) {
          add(ring[(start[y] + k) % taps], weight, sums);
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
