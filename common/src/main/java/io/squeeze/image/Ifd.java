package io.squeeze.image;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Numbers of the first directory of a TIFF file, or of an EXIF block, which is one. */
final class Ifd {
  static final int COMPRESSION = 259;
  static final int PHOTOMETRIC = 262;
  static final int ORIENTATION = 274;
  static final int EXTRA_SAMPLES = 338;
  static final int SAMPLE_FORMAT = 339;

  private final ByteBuffer bytes;
  private final int first;
  private final int entries;

  private Ifd(ByteBuffer bytes, int first, int entries) {
    this.bytes = bytes;
    this.first = first;
    this.entries = entries;
  }

  /** The directory at the beginning of these bytes; without entries where there is none. */
  static Ifd of(byte[] file, int from, int length) {
    ByteBuffer bytes = ByteBuffer.wrap(file, from, length).slice();
    if (length >= 8) {
      bytes.order(bytes.get(0) == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
      int at = bytes.getInt(4);
      if (bytes.getShort(2) == 42 && at >= 8 && at <= length - 2) {
        int entries = Math.min(bytes.getShort(at) & 0xFFFF, (length - at - 2) / 12);
        return new Ifd(bytes, at + 2, entries);
      }
    }
    return new Ifd(bytes, 0, 0);
  }

  /** The first value of a tag of type SHORT, or of BYTE; else the other value. */
  int number(int tag, int otherwise) {
    for (int i = 0; i < entries; i++) {
      int at = first + 12 * i;
      if ((bytes.getShort(at) & 0xFFFF) == tag) {
        int size = bytes.getShort(at + 2) == 3 ? 2 : 1;
        long count = bytes.getInt(at + 4) & 0xFFFFFFFFL;
        // What does not fit into four bytes lies elsewhere.
        int value = count * size <= 4 ? at + 8 : bytes.getInt(at + 8);
        if (count == 0 || value < 0 || value > bytes.capacity() - size) {
          return otherwise;
        }
        return size == 2 ? bytes.getShort(value) & 0xFFFF : bytes.get(value) & 0xFF;
      }
    }
    return otherwise;
  }
}
