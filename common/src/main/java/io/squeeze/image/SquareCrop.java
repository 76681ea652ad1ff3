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

  /**
   * Largest length of the longer side after scaling, in pixels. Only the pixels of the crop are
   * computed.
   */
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

  /**
   * Takes a row of the crop, [3, side] of 0..255. The array belongs to the sink until the method
   * returns.
   */
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
    private final BilinearFilter columns;
    private final BilinearFilter rows;
    private final RowSink sink;
    private final long[] pair;

    /**
     * The rows that the next row of the crop needs, and one more. Row i is at index i modulo the
     * length.
     */
    private final int[][] ring;

    private final int[] sums;
    private int next;

    private Rows(BilinearFilter columns, BilinearFilter rows, int side, RowSink sink) {
      this.columns = columns;
      this.rows = rows;
      this.sink = sink;
      this.pair = new long[(columns.end() - columns.start()[0]) * 3];
      this.ring = new int[rows.taps() + 1][side * 3];
      this.sums = new int[side * 3];
    }

    /** The pixels that the crop is made of. */
    Region region() {
      return new Region(columns.start()[0], rows.start()[0], columns.end(), rows.end());
    }

    @Override
    public void row(int y, byte[] pixels, int at) {
      if (y < rows.start()[0] || y >= rows.end()) {
        return;
      }
      int from = at + columns.start()[0] * 3;
      boolean second = (y - rows.start()[0]) % 2 == 1;
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
      while (next < rows.start().length && rows.start()[next] + rows.taps() == end) {
        rows.acrossColumns(ring, next, sums);
        sink.take(sums, next++);
      }
    }
  }

  private BilinearFilter columns(int width, int height) {
    int resized = resized(width, Math.min(width, height));
    return BilinearFilter.of(width, resized, offset(resized), side);
  }

  private BilinearFilter rows(int width, int height) {
    int resized = resized(height, Math.min(width, height));
    return BilinearFilter.of(height, resized, offset(resized), side);
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

  /**
   * Where the columns of a picture lie in its crop: the coordinate of each pixel's centre, in
   * pixels of the crop. The crop's own pixels have the coordinates 0 to side - 1; what is less than
   * -0.5 or at least side - 0.5 was cut off.
   */
  public double[] columnsInCrop(int width, int height) {
    return inCrop(width, Math.min(width, height));
  }

  /** The same of the rows. */
  public double[] rowsInCrop(int width, int height) {
    return inCrop(height, Math.min(width, height));
  }

  private double[] inCrop(int length, int shorter) {
    int resized = resized(length, shorter);
    double scale = (double) resized / length;
    double[] places = new double[length];
    Arrays.setAll(places, i -> (i + 0.5) * scale - 0.5 - offset(resized));
    return places;
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
}
