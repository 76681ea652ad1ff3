package io.squeeze.image;

import java.io.Serializable;

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
    int shorter = Math.min(image.width(), image.height());
    int width = resized(image.width(), shorter);
    int height = resized(image.height(), shorter);
    Filter columns = Filter.of(image.width(), width, offset(width), side);
    Filter rows = Filter.of(image.height(), height, offset(height), side);
    int top = rows.start[0];
    int bottom = rows.start[side - 1] + rows.length[side - 1];
    byte[] between = new byte[(bottom - top) * side * 3];
    for (int y = top; y < bottom; y++) {
      columns.acrossRow(image.data(), y * image.width() * 3, between, (y - top) * side * 3);
    }
    byte[] out = new byte[side * side * 3];
    rows.acrossColumns(between, top, side * 3, out);
    return new RgbImage(side, side, out);
  }

  /** [H, W] -> [side, side]. */
  public Mask apply(Mask mask) {
    int shorter = Math.min(mask.width(), mask.height());
    int[] xs = nearest(mask.width(), resized(mask.width(), shorter));
    int[] ys = nearest(mask.height(), resized(mask.height(), shorter));
    byte[] out = new byte[side * side];
    for (int y = 0; y < side; y++) {
      for (int x = 0; x < side; x++) {
        out[y * side + x] = mask.data()[ys[y] * mask.width() + xs[x]];
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

  /** The weights of one direction, for the pixels inside the crop. */
  private record Filter(int[] start, int[] length, int[][] weights) {

    static Filter of(int from, int to, int first, int count) {
      double scale = (double) from / to;
      double support = Math.max(scale, 1.0);
      int[] start = new int[count];
      int[] length = new int[count];
      int[][] weights = new int[count][];
      for (int i = 0; i < count; i++) {
        double centre = (first + i + 0.5) * scale;
        int low = Math.max((int) (centre - support + 0.5), 0);
        int high = Math.min((int) (centre + support + 0.5), from);
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
        start[i] = low;
        length[i] = raw.length;
        weights[i] = fixed;
      }
      return new Filter(start, length, weights);
    }

    /** One row of pixels, three channels interleaved. */
    void acrossRow(byte[] source, int rowStart, byte[] target, int targetStart) {
      int o = targetStart;
      for (int x = 0; x < start.length; x++) {
        int red = HALF;
        int green = HALF;
        int blue = HALF;
        int p = rowStart + start[x] * 3;
        for (int weight : weights[x]) {
          red += (source[p] & 0xFF) * weight;
          green += (source[p + 1] & 0xFF) * weight;
          blue += (source[p + 2] & 0xFF) * weight;
          p += 3;
        }
        target[o] = clip(red);
        target[o + 1] = clip(green);
        target[o + 2] = clip(blue);
        o += 3;
      }
    }

    /** All columns of {@code stride} bytes a row; the source begins at row {@code top}. */
    void acrossColumns(byte[] source, int top, int stride, byte[] target) {
      int[] sums = new int[stride];
      for (int y = 0; y < start.length; y++) {
        java.util.Arrays.fill(sums, HALF);
        int p = (start[y] - top) * stride;
        for (int weight : weights[y]) {
          for (int x = 0; x < stride; x++) {
            sums[x] += (source[p + x] & 0xFF) * weight;
          }
          p += stride;
        }
        for (int x = 0; x < stride; x++) {
          target[y * stride + x] = clip(sums[x]);
        }
      }
    }

    private static byte clip(int fixed) {
      int value = fixed >> PRECISION;
      return (byte) Math.max(0, Math.min(255, value));
    }
  }
}
