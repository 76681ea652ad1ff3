package io.squeeze.image;

import io.squeeze.image.BadSampleException.Code;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Decodes BMP of 1 to 32 bits, run lengths and bit fields; alpha is dropped. */
final class BmpDecoder {
  private static final int RLE8 = 1;
  private static final int RLE4 = 2;
  private static final int FIELDS = 3;

  private final ByteBuffer file;
  private final int width;
  private final int height;
  private final int bits;
  private final int compression;
  private final boolean topDown;
  private final byte[] palette = Bitmap.ramp();
  private int pixels;

  /** Of each colour: how far to the right, and how many bits. */
  private final int[] shift = new int[3];

  private final int[] depth = new int[3];

  /** Reads the headers and the palette. */
  BmpDecoder(byte[] bytes) throws BadSampleException {
    this.file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    need(26);
    this.pixels = file.getInt(10);
    int header = file.getInt(14);
    boolean old = header == 12;
    if (!old && (header < 40 || header > 124)) {
      throw new BadSampleException(Code.UNSUPPORTED, "a BMP header of " + header + " bytes");
    }
    need(14 + header);
    int colours = 0;
    if (old) {
      this.width = file.getShort(18) & 0xFFFF;
      this.height = file.getShort(20) & 0xFFFF;
      this.topDown = false;
      this.bits = file.getShort(24);
      this.compression = 0;
    } else {
      this.width = file.getInt(18);
      int rows = file.getInt(22);
      this.topDown = rows < 0;
      this.height = Math.abs(rows);
      this.bits = file.getShort(28);
      this.compression = file.getInt(30);
      colours = file.getInt(46);
    }
    if (width <= 0 || height <= 0 || pixels < 0) {
      throw new BadSampleException(Code.CORRUPT, "a BMP of " + width + "x" + height + " pixels");
    }
    boolean paletted = bits == 1 || bits == 4 || bits == 8;
    boolean packed = compression == (bits == 8 ? RLE8 : RLE4) && (bits == 8 || bits == 4);
    boolean fields = compression == FIELDS && !paletted;
    boolean known = paletted || bits == 16 || bits == 24 || bits == 32;
    if (!known || (compression != 0 && !packed && !fields)) {
      throw new BadSampleException(
          Code.UNSUPPORTED, "a BMP of " + bits + " bits a pixel, compression " + compression);
    }
    if (paletted) {
      readPalette(14 + header, old ? 3 : 4, colours == 0 ? 1 << bits : colours);
    } else {
      readMasks(fields, 54);
    }
  }

  int width() {
    return width;
  }

  int height() {
    return height;
  }

  private void readPalette(int at, int step, int colours) throws BadSampleException {
    if (colours < 0 || colours > 256) {
      throw new BadSampleException(Code.CORRUPT, "a palette of " + colours + " colours");
    }
    need(at + colours * step);
    for (int i = 0; i < colours; i++) {
      for (int c = 0; c < 3; c++) {
        palette[i * 3 + c] = file.get(at + i * step + 2 - c);
      }
    }
    if (pixels == at) {
      // Pixels cannot begin where the palette does.
      pixels = at + colours * step;
    }
  }

  private void readMasks(boolean fields, int at) throws BadSampleException {
    int[] masks = bits == 16 ? new int[] {0x7C00, 0x3E0, 0x1F} : new int[] {0xFF0000, 0xFF00, 0xFF};
    if (fields) {
      need(at + 12);
      int[] own = {file.getInt(at), file.getInt(at + 4), file.getInt(at + 8)};
      if ((own[0] | own[1] | own[2]) != 0) {
        masks = own;
      }
    }
    for (int c = 0; c < 3; c++) {
      shift[c] = Integer.numberOfTrailingZeros(masks[c]);
      depth[c] = Integer.bitCount(masks[c]);
      boolean whole = masks[c] != 0 && masks[c] >>> shift[c] == (1 << depth[c]) - 1;
      if (!whole || depth[c] > 8 || shift[c] + depth[c] > bits) {
        throw new BadSampleException(
            Code.UNSUPPORTED, String.format("a BMP of bit fields %08X", masks[c]));
      }
    }
  }

  private void need(long end) throws BadSampleException {
    if (end > file.capacity()) {
      throw new BadSampleException(Code.TRUNCATED, "the BMP ends at byte " + file.capacity());
    }
  }

  /** The pixels, first row on top. */
  Bitmap decode() throws BadSampleException {
    if (compression == RLE8 || compression == RLE4) {
      return new Bitmap(width, height, 1, runs(), palette, null);
    }
    int stride = (int) (((long) width * bits + 31) / 32 * 4);
    // PIL reads the last row without what fills it up.
    need(pixels + (long) stride * (height - 1) + ((long) width * bits + 7) / 8);
    boolean indexed = bits <= 8;
    byte[] out = new byte[Math.multiplyExact(width * height, indexed ? 1 : 3)];
    for (int y = 0; y < height; y++) {
      int from = pixels + stride * y;
      int to = (topDown ? y : height - 1 - y) * width;
      if (indexed) {
        indices(from, out, to);
      } else {
        colours(from, out, to * 3);
      }
    }
    return new Bitmap(width, height, indexed ? 1 : 3, out, indexed ? palette : null, null);
  }

  private void indices(int from, byte[] out, int to) {
    int mask = (1 << bits) - 1;
    for (int x = 0; x < width; x++) {
      int bit = x * bits;
      out[to + x] = (byte) (file.get(from + (bit >> 3)) >> (8 - bits - (bit & 7)) & mask);
    }
  }

  private void colours(int from, byte[] out, int to) {
    int bytes = bits / 8;
    for (int x = 0, o = to; x < width; x++) {
      int pixel = 0;
      for (int b = 0; b < bytes; b++) {
        pixel |= (file.get(from + x * bytes + b) & 0xFF) << (8 * b);
      }
      for (int c = 0; c < 3; c++) {
        int most = (1 << depth[c]) - 1;
        out[o++] = (byte) (((pixel >>> shift[c]) & most) * 255 / most);
      }
    }
  }

  /** Run lengths of 8 or 4 bits; pixels that are skipped have index 0. */
  private byte[] runs() throws BadSampleException {
    byte[] out = new byte[Math.multiplyExact(width, height)];
    int x = 0;
    int y = 0;
    int at = pixels;
    boolean four = compression == RLE4;
    while (y < height) {
      need(at + 2L);
      int count = file.get(at) & 0xFF;
      int value = file.get(at + 1) & 0xFF;
      at += 2;
      if (count > 0) {
        for (int i = 0; i < count && x < width; i++) {
          put(out, x++, y, four ? i % 2 == 0 ? value >> 4 : value & 15 : value);
        }
      } else if (value == 0) {
        x = 0;
        y++;
      } else if (value == 1) {
        break;
      } else if (value == 2) {
        need(at + 2L);
        x += file.get(at) & 0xFF;
        y += file.get(at + 1) & 0xFF;
        at += 2;
      } else {
        int bytes = four ? (value + 1) / 2 : value;
        need(at + (long) bytes);
        for (int i = 0; i < value; i++) {
          int pair = file.get(at + (four ? i / 2 : i)) & 0xFF;
          int index = four ? i % 2 == 0 ? pair >> 4 : pair & 15 : pair;
          if (x < width) {
            put(out, x++, y, index);
          }
        }
        at += bytes + bytes % 2;
      }
      if (x >= width && y == height - 1) {
        break;
      }
    }
    return out;
  }

  private void put(byte[] out, int x, int y, int index) {
    if (y < height) {
      out[(topDown ? y : height - 1 - y) * width + x] = (byte) index;
    }
  }
}
