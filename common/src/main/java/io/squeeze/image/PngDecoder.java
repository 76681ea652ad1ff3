package io.squeeze.image;

import io.squeeze.image.BadSampleException.Code;
import java.nio.ByteBuffer;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * Decodes PNG (W3C PNG, second edition) of all depths, colours and interlacing. Transparency, gamma
 * and profiles are ignored, as PIL's {@code convert("RGB")} ignores them.
 */
final class PngDecoder {
  private static final int IHDR = 0x49484452;
  private static final int PLTE = 0x504C5445;
  private static final int IDAT = 0x49444154;
  private static final int IEND = 0x49454E44;
  private static final int EXIF = 0x65584966;

  /** Columns and rows of the seven passes of Adam7: first, step. */
  private static final int[][] PASSES = {
    {0, 8, 0, 8}, {4, 8, 0, 8}, {0, 4, 4, 8}, {2, 4, 0, 4}, {0, 2, 2, 4}, {1, 2, 0, 2}, {0, 1, 1, 2}
  };

  private static final int[][] WHOLE = {{0, 1, 0, 1}};

  private final ByteBuffer file;
  private final int width;
  private final int height;
  private final int depth;
  private final int type;
  private final boolean interlaced;

  /** Where the chunk behind the header begins. */
  private final int first;

  private final byte[] palette = Bitmap.ramp();
  private Orientation orientation = Orientation.UPRIGHT;

  /** Where the next data chunk's bytes lie; their number is 0 behind the last one. */
  private int dataAt;

  private int dataLength;

  /** Reads the header. */
  PngDecoder(byte[] bytes) throws BadSampleException {
    this.file = ByteBuffer.wrap(bytes);
    int at = 8;
    if (chunkLength(at) < 13 || name(at) != IHDR) {
      throw corrupt("a PNG begins with its header");
    }
    check(at);
    this.width = file.getInt(at + 8);
    this.height = file.getInt(at + 12);
    this.depth = bytes[at + 16];
    this.type = bytes[at + 17];
    this.interlaced = bytes[at + 20] == 1;
    boolean deep = (type == 0 || type == 3) ? depth > 0 && depth <= 8 : depth == 8;
    boolean known =
        (type == 0 || type == 2 || type == 3 || type == 4 || type == 6)
            && ((deep && Integer.bitCount(depth) == 1) || (depth == 16 && type != 3));
    if (width <= 0 || height <= 0 || !known || bytes[at + 20] < 0 || bytes[at + 20] > 1) {
      throw corrupt(
          "a PNG of " + width + "x" + height + " pixels, depth " + depth + ", type " + type);
    }
    this.first = next(at);
  }

  int width() {
    return width;
  }

  int height() {
    return height;
  }

  /** As the file says; after decoding. */
  Orientation orientation() {
    return orientation;
  }

  private int chunkLength(int at) throws BadSampleException {
    if (at > file.capacity() - 12) {
      throw truncated();
    }
    int length = file.getInt(at);
    if (length < 0 || length > file.capacity() - at - 8) {
      throw truncated();
    }
    return length;
  }

  private int name(int at) throws BadSampleException {
    chunkLength(at);
    return file.getInt(at + 4);
  }

  private int next(int at) throws BadSampleException {
    return at + 12 + chunkLength(at);
  }

  private void check(int at) throws BadSampleException {
    int length = chunkLength(at);
    if (at + 12 + length > file.capacity()) {
      throw truncated();
    }
    CRC32 crc = new CRC32();
    crc.update(file.array(), at + 4, length + 4);
    if ((int) crc.getValue() != file.getInt(at + 8 + length)) {
      throw corrupt("a chunk whose checksum is wrong");
    }
  }

  /** Reads the chunks before the pixels. */
  private void readChunks() throws BadSampleException {
    int at = first;
    while (name(at) != IDAT) {
      if (name(at) == IEND) {
        throw corrupt("a PNG without pixels");
      }
      if (name(at) == PLTE) {
        check(at);
        int length = chunkLength(at);
        if (length > 768) {
          throw corrupt("a palette of " + length + " bytes");
        }
        System.arraycopy(file.array(), at + 8, palette, 0, length / 3 * 3);
      }
      if (name(at) == EXIF) {
        orientation = Orientation.of(file.array(), at + 8, chunkLength(at));
      }
      at = next(at);
    }
    dataAt = at + 8;
    dataLength = chunkLength(at);
  }

  /** Pixels of all passes. */
  Bitmap decode() throws BadSampleException {
    readChunks();
    int bands = type == 2 ? 3 : type == 4 ? 2 : type == 6 ? 4 : 1;
    // Deflate makes at most 1,032 bytes of one: a header may announce more than there can be.
    long rowBytes = ((long) width * bands * depth + 7) / 8;
    if (rowBytes * height / 1032 > file.capacity()) {
      throw truncated();
    }
    byte[] out = new byte[Math.multiplyExact(width * height, bands)];
    char[] levels = depth == 16 && bands == 1 ? new char[width * height] : null;
    Inflater inflater = new Inflater();
    try {
      for (int[] pass : interlaced ? PASSES : WHOLE) {
        decode(pass, bands, inflater, out, levels);
      }
    } catch (DataFormatException e) {
      throw corrupt("the pixels cannot be inflated: " + e.getMessage());
    } finally {
      inflater.end();
    }
    return new Bitmap(width, height, bands, out, lookedUp(), levels);
  }

  private byte[] lookedUp() {
    if (type == 3) {
      return palette;
    }
    return type == 0 && depth == 1 ? Bitmap.blackAndWhite() : null;
  }

  private void decode(int[] pass, int bands, Inflater inflater, byte[] out, char[] levels)
      throws BadSampleException, DataFormatException {
    int columns = (width - pass[0] + pass[1] - 1) / pass[1];
    int rows = (height - pass[2] + pass[3] - 1) / pass[3];
    if (columns <= 0 || rows <= 0) {
      return;
    }
    int rowBytes = (int) (((long) columns * bands * depth + 7) / 8);
    int pixelBytes = Math.max(1, bands * depth / 8);
    byte[] row = new byte[rowBytes + 1];
    byte[] above = new byte[rowBytes + 1];
    for (int i = 0; i < rows; i++) {
      inflate(inflater, row);
      unfilter(row, above, pixelBytes);
      int y = pass[2] + i * pass[3];
      unpack(row, columns, bands, out, levels, y * width + pass[0], pass[1]);
      byte[] swapped = above;
      above = row;
      row = swapped;
    }
  }

  private void inflate(Inflater inflater, byte[] row)
      throws BadSampleException, DataFormatException {
    int filled = 0;
    while (filled < row.length) {
      int got = inflater.inflate(row, filled, row.length - filled);
      filled += got;
      if (got == 0) {
        if (inflater.finished() || inflater.needsDictionary() || !inflater.needsInput()) {
          throw truncated();
        }
        feed(inflater);
      }
    }
  }

  /** Hands the next data chunk over. */
  private void feed(Inflater inflater) throws BadSampleException {
    if (dataLength < 0) {
      throw truncated();
    }
    int available = Math.min(dataLength, file.capacity() - dataAt);
    inflater.setInput(file.array(), dataAt, available);
    int at = dataAt + dataLength + 4;
    boolean more = at <= file.capacity() - 12 && file.getInt(at + 4) == IDAT;
    dataAt = at + 8;
    dataLength = more ? file.getInt(at) : -1;
    if (more && dataLength > file.capacity() - dataAt) {
      dataLength = file.capacity() - dataAt;
    }
  }

  /** Undoes the filter that a row's first byte names. */
  private static void unfilter(byte[] row, byte[] above, int step) throws BadSampleException {
    switch (row[0]) {
      case 0 -> {}
      case 1 -> {
        for (int i = 1 + step; i < row.length; i++) {
          row[i] += row[i - step];
        }
      }
      case 2 -> {
        for (int i = 1; i < row.length; i++) {
          row[i] += above[i];
        }
      }
      case 3 -> {
        for (int i = 1; i < row.length; i++) {
          int left = i > step ? row[i - step] & 0xFF : 0;
          row[i] += (byte) ((left + (above[i] & 0xFF)) >> 1);
        }
      }
      case 4 -> {
        for (int i = 1; i < row.length; i++) {
          int left = i > step ? row[i - step] & 0xFF : 0;
          int corner = i > step ? above[i - step] & 0xFF : 0;
          row[i] += (byte) paeth(left, above[i] & 0xFF, corner);
        }
      }
      default -> throw corrupt("filter " + row[0]);
    }
  }

  private static int paeth(int left, int up, int corner) {
    int fromLeft = Math.abs(up - corner);
    int fromUp = Math.abs(left - corner);
    int fromCorner = Math.abs(left + up - 2 * corner);
    if (fromLeft <= fromUp && fromLeft <= fromCorner) {
      return left;
    }
    return fromUp <= fromCorner ? up : corner;
  }

  /** One row's samples to its places in the picture; of 16 bits the upper eight. */
  private void unpack(
      byte[] row, int columns, int bands, byte[] out, char[] levels, int first, int step) {
    if (depth == 8 && step == 1) {
      System.arraycopy(row, 1, out, first * bands, columns * bands);
    } else if (levels != null) {
      for (int i = 0, at = first; i < columns; i++, at += step) {
        levels[at] = (char) (((row[2 * i + 1] & 0xFF) << 8) | (row[2 * i + 2] & 0xFF));
        out[at] = (byte) Math.min(255, levels[at]);
      }
    } else if (depth >= 8) {
      int bytes = depth / 8;
      for (int i = 0, at = first * bands; i < columns; i++, at += step * bands) {
        for (int c = 0; c < bands; c++) {
          out[at + c] = row[(i * bands + c) * bytes + 1];
        }
      }
    } else {
      // Grey of 2 and 4 bits means levels from black to white.
      int scale = type == 0 && depth > 1 ? 255 / ((1 << depth) - 1) : 1;
      int mask = (1 << depth) - 1;
      for (int i = 0, at = first; i < columns; i++, at += step) {
        int bit = i * depth;
        out[at] = (byte) ((row[1 + (bit >> 3)] >> (8 - depth - (bit & 7)) & mask) * scale);
      }
    }
  }

  private static BadSampleException corrupt(String message) {
    return new BadSampleException(Code.CORRUPT, message);
  }

  private static BadSampleException truncated() {
    return new BadSampleException(Code.TRUNCATED, "the PNG ends before its pixels");
  }
}
