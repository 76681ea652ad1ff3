package io.squeeze.image.jpeg;

import io.squeeze.image.BadSampleException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The bytes of a JPEG file: its markers, and the bits of its scans. The bits of a scan end at the
 * next marker. After them a scan reads zeros, as in libjpeg.
 */
final class BitStream {
  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

  private final byte[] data;
  private int position;

  /** The marker that the stream stands behind; 0 for none. */
  private int marker;

  /**
   * The next bits, the first one highest. The upper {@link #count} bits are valid; below them are
   * zeros or the bits that follow.
   */
  long bits;

  /** Bits of {@link #bits} that have been read from the file. */
  int count;

  /** Whether a scan needed bits that are not there. */
  boolean exhausted;

  /** What the file has that libjpeg would warn of; null for nothing. */
  private String warning;

  BitStream(byte[] data) {
    this.data = data;
  }

  int position() {
    return position;
  }

  void warn(String what) {
    if (warning == null) {
      warning = what;
    }
  }

  String warning() {
    return warning;
  }

  int readByte() throws BadSampleException {
    if (position >= data.length) {
      throw JpegDecoder.truncated("the file ends at byte " + data.length);
    }
    return data[position++] & 0xFF;
  }

  int readShort() throws BadSampleException {
    return readByte() << 8 | readByte();
  }

  void skip(int bytes) throws BadSampleException {
    if (bytes > data.length - position) {
      throw JpegDecoder.truncated("a segment reaches over the end of the file");
    }
    position += bytes;
  }

  /** The marker that comes next, and moves behind it. */
  int nextMarker() throws BadSampleException {
    if (marker != 0) {
      int known = marker;
      marker = 0;
      return known;
    }
    boolean stray = false;
    while (true) {
      int value = readByte();
      while (value != 0xFF) {
        stray = true;
        value = readByte();
      }
      while (value == 0xFF) {
        value = readByte();
      }
      if (value != 0) {
        if (stray) {
          warn("stray bytes before a marker");
        }
        return value;
      }
      stray = true;
    }
  }

  /** Whether no marker follows. */
  boolean ended() {
    if (marker != 0) {
      return false;
    }
    for (int i = position; i + 1 < data.length; i++) {
      if (data[i] == (byte) 0xFF && data[i + 1] != 0 && data[i + 1] != (byte) 0xFF) {
        return false;
      }
    }
    return true;
  }

  /** Begins a scan, or goes on behind a restart marker: no bit is left over. */
  void align() {
    bits = 0;
    count = 0;
  }

  /** Reads bits until there are 57 or more, or a marker comes. */
  void fill() throws BadSampleException {
    if (marker != 0) {
      return;
    }
    if (position + 8 <= data.length) {
      long next = (long) LONGS.get(data, position);
      // No byte is FF: none of the complement is zero.
      if (((~next - 0x0101010101010101L) & next & 0x8080808080808080L) == 0) {
        int bytes = (63 - count) >> 3;
        bits |= next >>> count;
        position += bytes;
        count += bytes << 3;
        return;
      }
    }
    while (count <= 56) {
      int value = readByte();
      if (value == 0xFF) {
        do {
          value = readByte();
        } while (value == 0xFF);
        if (value != 0) {
          marker = value;
          return;
        }
        value = 0xFF;
      }
      bits |= (long) value << (56 - count);
      count += 8;
    }
  }

  /** Tells that more bits were taken than there were: the rest of the scan reads zeros. */
  void overdrawn() {
    count = 0;
    if (!exhausted) {
      exhausted = true;
      warn("the data of a scan ends early");
    }
  }

  /** The symbol of the next code. */
  int symbol(HuffmanTable table) throws BadSampleException {
    if (count < 32) {
      fill();
    }
    int found = table.look[(int) (bits >>> (64 - HuffmanTable.LOOK))];
    if (found == 0) {
      found = longer(table);
    }
    drop(found >> 8);
    return found & 0xFF;
  }

  /** A code of more bits than a look-up takes. */
  int longer(HuffmanTable table) {
    int found = table.longer(bits);
    if (found == 17 << 8) {
      warn("a Huffman code that no table has");
    }
    return found;
  }

  /** The next bits as a number without sign; up to 16. */
  int take(int size) throws BadSampleException {
    if (size == 0) {
      return 0;
    }
    if (count < 32) {
      fill();
    }
    int value = (int) (bits >>> (64 - size));
    drop(size);
    return value;
  }

  private void drop(int size) {
    bits <<= size;
    count -= size;
    if (count < 0) {
      overdrawn();
    }
  }

  /**
   * Goes behind the restart marker that is due, or finds out where the data goes on without it (as
   * jpeg_resync_to_restart).
   *
   * @param due 0 to 7
   */
  void restart(int due) throws BadSampleException {
    align();
    int found = nextMarker();
    if (found != 0xD0 + due) {
      warn("a restart marker is not the one that is due");
      while (found < 0xC0 || found == 0xD0 + (due + 7 & 7) || found == 0xD0 + (due + 6 & 7)) {
        found = nextMarker();
      }
      if (found < 0xD0 || found > 0xD7 || soon(found, due)) {
        // It belongs to what comes later: this interval is empty.
        marker = found;
        return;
      }
    }
    exhausted = false;
  }

  private static boolean soon(int found, int due) {
    return found == 0xD0 + (due + 1 & 7) || found == 0xD0 + (due + 2 & 7);
  }
}
