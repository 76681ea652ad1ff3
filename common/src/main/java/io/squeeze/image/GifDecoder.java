package io.squeeze.image;

import io.squeeze.image.BadSampleException.Code;
import java.util.Arrays;

/** Decodes the first frame of a GIF (87a and 89a) onto its screen. */
final class GifDecoder {
  private static final int MAX_CODES = 4096;

  private final byte[] file;
  private int position = 13;
  private byte[] palette = Bitmap.ramp();

  /** Index of the pixels that the frame leaves: the transparent one, else 0. */
  private int background;

  private int width;
  private int height;
  private final int frameLeft;
  private final int frameTop;
  private final int frameWidth;
  private final int frameHeight;
  private final boolean interlaced;

  /** Reads up to the first frame. */
  GifDecoder(byte[] file) throws BadSampleException {
    this.file = file;
    need(13);
    this.width = shortAt(6);
    this.height = shortAt(8);
    if ((file[10] & 0x80) != 0) {
      readPalette(file[10]);
    }
    while (true) {
      int kind = readByte();
      if (kind == ';') {
        throw corrupt("a GIF without a frame");
      } else if (kind == '!') {
        readExtension();
      } else if (kind == ',') {
        break;
      }
    }
    need(position + 9);
    this.frameLeft = shortAt(position);
    this.frameTop = shortAt(position + 2);
    this.frameWidth = shortAt(position + 4);
    this.frameHeight = shortAt(position + 6);
    int flags = file[position + 8];
    position += 9;
    this.interlaced = (flags & 0x40) != 0;
    if ((flags & 0x80) != 0) {
      palette = Bitmap.ramp();
      readPalette(flags);
    }
    // A frame that reaches over its screen makes it larger.
    width = Math.max(width, frameLeft + frameWidth);
    height = Math.max(height, frameTop + frameHeight);
    if (width == 0 || height == 0 || frameWidth == 0 || frameHeight == 0) {
      throw corrupt("a GIF of " + width + "x" + height + " pixels");
    }
  }

  int width() {
    return width;
  }

  int height() {
    return height;
  }

  private void readPalette(int flags) throws BadSampleException {
    int length = 3 << ((flags & 7) + 1);
    need(position + length);
    System.arraycopy(file, position, palette, 0, length);
    position += length;
  }

  private void readExtension() throws BadSampleException {
    int label = readByte();
    int length = readByte();
    need(position + length);
    if (label == 0xF9 && length >= 4 && (file[position] & 1) != 0) {
      background = file[position + 3] & 0xFF;
    }
    while (length > 0) {
      position += length;
      length = readByte();
      need(position + length);
    }
  }

  private void need(int end) throws BadSampleException {
    if (end > file.length) {
      throw new BadSampleException(Code.TRUNCATED, "the GIF ends at byte " + file.length);
    }
  }

  private int readByte() throws BadSampleException {
    need(position + 1);
    return file[position++] & 0xFF;
  }

  private int shortAt(int at) {
    return (file[at] & 0xFF) | ((file[at + 1] & 0xFF) << 8);
  }

  /** The screen with the frame. */
  Bitmap decode() throws BadSampleException {
    // A code makes at most as many pixels as there are codes.
    if ((long) frameWidth * frameHeight / MAX_CODES > file.length) {
      throw new BadSampleException(Code.TRUNCATED, "the GIF ends before its last pixels");
    }
    byte[] screen = new byte[Math.multiplyExact(width, height)];
    if (frameWidth < width || frameHeight < height) {
      Arrays.fill(screen, (byte) background);
    }
    byte[] frame = new byte[Math.multiplyExact(frameWidth, frameHeight)];
    decompress(frame);
    int row = 0;
    for (int pass = interlaced ? 0 : 4; row < frameHeight && pass < 5; pass++) {
      int first = pass == 4 ? 0 : pass == 0 ? 0 : 8 >> pass;
      int step = pass == 4 ? 1 : pass == 0 ? 8 : 16 >> pass;
      for (int y = first; y < frameHeight; y += step) {
        int to = (frameTop + y) * width + frameLeft;
        System.arraycopy(frame, row++ * frameWidth, screen, to, frameWidth);
      }
    }
    return new Bitmap(width, height, 1, screen, palette, null);
  }

  /** LZW with codes that grow from the least bits to 12 (GIF89a, appendix F). */
  private void decompress(byte[] out) throws BadSampleException {
    int least = readByte();
    if (least > 12) {
      throw corrupt("LZW codes of " + least + " bits");
    }
    int clear = 1 << least;
    int[] prefix = new int[MAX_CODES];
    byte[] suffix = new byte[MAX_CODES];
    int[] length = new int[MAX_CODES];
    for (int i = 0; i < Math.min(clear, 256); i++) {
      suffix[i] = (byte) i;
      length[i] = 1;
    }
    int next = clear + 2;
    int size = least + 1;
    int previous = -1;
    int filled = 0;
    Codes codes = new Codes();
    while (filled < out.length) {
      int code = codes.next(size);
      if (code == clear) {
        next = clear + 2;
        size = least + 1;
        previous = -1;
        continue;
      }
      if (code == clear + 1) {
        throw new BadSampleException(Code.TRUNCATED, "the GIF ends before its last pixels");
      }
      boolean known = code < clear || (previous >= 0 && code < next);
      boolean growing = previous >= 0 && code == next && next < MAX_CODES;
      if (!known && !growing) {
        throw corrupt("an LZW code that is not defined");
      }
      if (previous >= 0 && next < MAX_CODES) {
        prefix[next] = previous;
        length[next] = length[previous] + 1;
        suffix[next] = first(known ? code : previous, prefix, suffix, clear);
        next++;
        if (next == 1 << size && size < 12) {
          size++;
        }
      }
      int count = length[code];
      int at = filled + count - 1;
      for (int c = code, i = count; i > 0; i--, at--) {
        if (at < out.length) {
          out[at] = suffix[c];
        }
        c = prefix[c];
      }
      filled += Math.min(count, out.length - filled);
      previous = code;
    }
  }

  private static byte first(int code, int[] prefix, byte[] suffix, int clear) {
    int c = code;
    while (c >= clear) {
      c = prefix[c];
    }
    return suffix[c];
  }

  /** Reads codes, lowest bits first, across blocks of up to 255 bytes. */
  private final class Codes {
    private int bits;
    private int count;
    private int left;

    int next(int size) throws BadSampleException {
      while (count < size) {
        if (left == 0) {
          left = readByte();
          if (left == 0) {
            throw new BadSampleException(Code.TRUNCATED, "the GIF ends before its last pixels");
          }
        }
        bits |= readByte() << count;
        count += 8;
        left--;
      }
      int code = bits & (1 << size) - 1;
      bits >>>= size;
      count -= size;
      return code;
    }
  }

  private static BadSampleException corrupt(String message) {
    return new BadSampleException(Code.CORRUPT, message);
  }
}
