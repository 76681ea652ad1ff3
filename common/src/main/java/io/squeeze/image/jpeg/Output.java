package io.squeeze.image.jpeg;

import io.squeeze.image.Inks;
import io.squeeze.image.PixelRows;
import io.squeeze.image.Region;
import io.squeeze.image.jpeg.Frame.Colours;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** From coefficients to pixels: inverse transform, upsampling, colours. */
final class Output {
  /** JFIF's matrix in 16-bit fixed point. */
  private static final int RED_OF_CR = 91_881;

  private static final int GREEN_OF_CR = 46_802;
  private static final int GREEN_OF_CB = 22_554;
  private static final int BLUE_OF_CB = 116_130;
  private static final int HALF = 1 << 15;

  private static final VarHandle INTS =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  private static final int[] NOTHING = new int[64];

  private final Frame frame;
  private final Region wanted;
  private final PixelRows target;
  private final int width;
  private final int height;
  private final int side;
  private final boolean fancy;
  private final Line[] lines;
  private final int[][] planes;
  private final int[][] converted;
  private final byte[] pixels;
  private final InverseDct dct = new InverseDct();

  /** Rows of the picture that have been handed over, or are not wanted. */
  private int done;

  Output(Frame frame, Region wanted, int denominator, PixelRows target) {
    this.frame = frame;
    this.wanted = wanted;
    this.target = target;
    this.side = 8 / denominator;
    this.width = Frame.ceil(frame.width(), denominator);
    this.height = Frame.ceil(frame.height(), denominator);
    this.fancy = side > 1;
    this.lines = new Line[frame.components().size()];
    for (Component c : frame.components()) {
      lines[c.index] = line(c, side);
    }
    this.planes = new int[frame.colours() == Colours.GREY ? 1 : 3][width];
    this.converted = new int[3][width];
    this.pixels = new byte[3 * width + 1];
    this.done = wanted.top();
  }

  /** Where a component's rows are upsampled to, and by how much. */
  private record Line(int across, int down, int[] samples, int[] sums) {}

  private Line line(Component c, int side) {
    int wide = frame.maxHorizontal() * side;
    int high = frame.maxVertical() * side;
    // Where a picture is scaled down, what is sampled less is transformed to more samples instead.
    c.side = side;
    while (c.side < 8
        && wide % (c.horizontal * c.side * 2) == 0
        && high % (c.vertical * c.side * 2) == 0) {
      c.side *= 2;
    }
    c.width = Frame.ceil((long) frame.width() * c.horizontal * c.side, frame.maxHorizontal() * 8);
    c.height = Frame.ceil((long) frame.height() * c.vertical * c.side, frame.maxVertical() * 8);
    c.stride = c.blocksWide * c.side;
    // Two rows of units: the one that is decoded, and the one above it.
    c.rows = 2 * c.vertical * c.side;
    c.samples = new int[Math.multiplyExact(c.stride, c.rows)];
    int across = wide / (c.horizontal * c.side);
    int down = high / (c.vertical * c.side);
    c.blockLeft = Math.max(0, wanted.left() / across - 1) / c.side;
    c.blockRight = (wanted.right() / across + 1) / c.side + 1;
    c.blockTop = Math.max(0, wanted.top() / down - 1) / c.side;
    c.blockBottom = (wanted.bottom() / down + 1) / c.side + 1;
    return new Line(across, down, new int[width + across], new int[c.width]);
  }

  /** One block of dequantized coefficients in natural order. */
  void transform(Component c, int[] block, int last, int x, int y) {
    if (x < c.blocksWide && y < c.blocksHigh && c.wanted(x, y)) {
      int at = y * c.side % c.rows * c.stride + x * c.side;
      dct.apply(block, last, c.side, c.samples, at, c.stride);
    }
  }

  /** A block that no data came for: grey. */
  void missing(Component c, int x, int y) {
    transform(c, NOTHING, 0, x, y);
  }

  /** All blocks, from the coefficients that the scans left. */
  void transform() {
    int[] block = new int[64];
    int units = Frame.ceil(frame.height(), 8 * frame.maxVertical());
    for (int unit = 0; unit < units; unit++) {
      for (Component c : frame.components()) {
        for (int y = unit * c.vertical; y < (unit + 1) * c.vertical; y++) {
          for (int x = c.blockLeft; x < Math.min(c.blockRight, c.blocksWide); x++) {
            if (c.steps == null) {
              missing(c, x, y);
            } else if (c.wanted(x, y) && y < c.blocksHigh) {
              transform(c, block, dequantize(c, (y * c.paddedWide + x) * 64, block), x, y);
            }
          }
        }
      }
      finished(unit);
    }
  }

  /** Takes a block of coefficients; gives a zigzag position behind which all are zero. */
  private static int dequantize(Component c, int at, int[] block) {
    int within = 0;
    int beyond = 0;
    for (int i = 0; i < 64; i++) {
      int value = (short) (c.coefficients[at + i] * c.steps[i]);
      block[i] = value;
      if (i < 32 && (i & 7) < 4) {
        within |= i == 0 ? 0 : value;
      } else {
        beyond |= value;
      }
    }
    return beyond != 0 ? 63 : within != 0 ? 9 : 0;
  }

  /** Hands over the rows that a row of units completes: a row of pixels needs the samples below. */
  void finished(int unit) {
    int complete = (unit + 1) * frame.maxVertical() * side;
    int end = complete >= height ? height : complete - (fancy ? 2 : 0);
    for (; done < Math.min(end, wanted.bottom()); done++) {
      hand(done);
    }
  }

  private void hand(int y) {
    int left = wanted.left();
    int right = Math.min(wanted.right(), width);
    int[][] rows = new int[lines.length][];
    int[] offsets = new int[lines.length];
    for (Component c : frame.components()) {
      Line line = lines[c.index];
      if (line.across() == 1 && (line.down() == 1 || line.down() > 2 || !fancy)) {
        rows[c.index] = c.samples;
        offsets[c.index] = c.row(y / line.down());
      } else {
        upsample(c, line, y, left, right);
        rows[c.index] = line.samples();
      }
    }
    switch (frame.colours()) {
      case GREY -> copy(rows[0], offsets[0], left, right, planes[0]);
      case RGB, CMYK -> {
        for (int c = 0; c < 3; c++) {
          copy(rows[c], offsets[c], left, right, planes[c]);
        }
      }
      default -> convert(rows, offsets, left, right);
    }
    if (lines.length == 4) {
      inks(rows[3], offsets[3], left, right);
    }
    int[] red = planes[0];
    int[] green = planes[planes.length / 2];
    int[] blue = planes[planes.length - 1];
    for (int x = 0, o = 3 * left; x < right - left; x++, o += 3) {
      // The fourth byte is the next pixel's first, which comes later.
      INTS.set(pixels, o, red[x] | green[x] << 8 | blue[x] << 16);
    }
    target.row(y, pixels, 0);
  }

  private static void copy(int[] row, int offset, int left, int right, int[] plane) {
    System.arraycopy(row, offset + left, plane, 0, right - left);
  }

  /** Pixels {@code left} to {@code right} of row {@code y}: linear between samples, or repeated. */
  private void upsample(Component c, Line line, int y, int left, int right) {
    int[] out = line.samples();
    int across = line.across();
    int row = c.row(y / line.down());
    boolean linearDown = fancy && line.down() == 2 && (across == 1 || (across == 2 && c.width > 2));
    boolean linearAcross = fancy && across == 2 && line.down() <= 2 && c.width > 2;
    if (!linearDown && !linearAcross) {
      for (int x = left; x < right; x++) {
        out[x] = c.samples[row + x / across];
      }
      return;
    }
    int first = left / across;
    int last = (right - 1) / across;
    int from = Math.max(0, first - 1);
    int to = Math.min(c.width - 1, last + 1);
    int[] sums = line.sums();
    if (linearDown) {
      int near = y / 2;
      int far = (y & 1) == 0 ? Math.max(0, near - 1) : Math.min(c.height - 1, near + 1);
      mix(c.samples, c.row(near), c.row(far), from, to, sums);
      if (!linearAcross) {
        int bias = (y & 1) == 0 ? 1 : 2;
        for (int x = left; x < right; x++) {
          out[x] = (sums[x] + bias) >> 2;
        }
        return;
      }
    } else {
      System.arraycopy(c.samples, row + from, sums, from, to - from + 1);
    }
    int shift = linearDown ? 4 : 2;
    int before = linearDown ? 8 : 1;
    int behind = linearDown ? 7 : 2;
    int previous = sums[from];
    int current = sums[first];
    for (int i = first; i <= last; i++) {
      int next = sums[Math.min(i + 1, c.width - 1)];
      out[2 * i] = (current * 3 + previous + before) >> shift;
      out[2 * i + 1] = (current * 3 + next + behind) >> shift;
      previous = current;
      current = next;
    }
  }

  private static void mix(int[] samples, int near, int far, int from, int to, int[] sums) {
    for (int i = from; i <= to; i++) {
      sums[i] = samples[near + i] * 3 + samples[far + i];
    }
  }

  /**
   * YCbCr to RGB. Loops over whole arrays, from 0 and without branches, are what the JIT compiler
   * makes vectors of.
   */
  private void convert(int[][] rows, int[] offsets, int left, int right) {
    int count = right - left;
    for (int c = 0; c < 3; c++) {
      System.arraycopy(rows[c], offsets[c] + left, converted[c], 0, count);
    }
    redOrBlue(converted[0], converted[2], RED_OF_CR, planes[0], count);
    green(converted[0], converted[1], converted[2], planes[1], count);
    redOrBlue(converted[0], converted[1], BLUE_OF_CB, planes[2], count);
  }

  private static void redOrBlue(int[] luma, int[] chroma, int factor, int[] out, int count) {
    for (int x = 0; x < count; x++) {
      out[x] = clamp(luma[x] + ((factor * (chroma[x] - 128) + HALF) >> 16));
    }
  }

  private static void green(int[] luma, int[] blue, int[] red, int[] out, int count) {
    for (int x = 0; x < count; x++) {
      int change = GREEN_OF_CB * (blue[x] - 128) + GREEN_OF_CR * (red[x] - 128);
      out[x] = clamp(luma[x] + ((HALF - change) >> 16));
    }
  }

  /** To 0..255. */
  private static int clamp(int value) {
    int positive = value & ~(value >> 31);
    int over = positive - 255;
    return 255 + (over & (over >> 31));
  }

  /** Inks are stored inverted, as Adobe does and PIL assumes of every file. */
  private void inks(int[] row, int offset, int left, int right) {
    boolean inverted = frame.colours() == Colours.YCCK;
    for (int[] plane : planes) {
      for (int x = 0; x < right - left; x++) {
        int ink = inverted ? plane[x] : 255 - plane[x];
        plane[x] = Inks.light(ink, row[offset + left + x]) & 0xFF;
      }
    }
  }
}
