package io.squeeze.image.jpeg;

import io.squeeze.image.BadSampleException;
import java.util.stream.IntStream;

/** One Huffman table (ITU T.81, annex C), as look-up tables over the next bits of the stream. */
final class HuffmanTable {
  /** Bits that one look-up takes. */
  static final int LOOK = 10;

  /** {@code length << 8 | symbol} of the code that begins these bits; 0 where it is longer. */
  final int[] look = new int[1 << LOOK];

  /**
   * {@code value << 16 | run << 8 | length} of a coefficient whose code and value both lie within
   * these bits; 0 elsewhere.
   */
  final int[] coefficient = new int[1 << LOOK];

  /** The largest code of each length, -1 where there is none; the last one ends every search. */
  private final int[] maxCode = new int[18];

  private final int[] offset = new int[17];
  private final byte[] symbols;

  /**
   * Builds the look-up tables.
   *
   * @param counts of the codes of 1 to 16 bits
   * @param symbols 256, in the order of their codes
   * @throws BadSampleException if no prefix code has such counts, or a DC symbol is above 15
   */
  HuffmanTable(int[] counts, byte[] symbols, boolean dc) throws BadSampleException {
    this.symbols = symbols;
    int code = 0;
    int next = 0;
    int codes = IntStream.of(counts).sum();
    for (int length = 1; length <= 16; length++) {
      offset[length] = next - code;
      maxCode[length] = counts[length - 1] == 0 ? -1 : code + counts[length - 1] - 1;
      // No code may be all ones, and there is none behind the last one.
      if (next < codes && code + counts[length - 1] >= 1 << length) {
        throw JpegDecoder.corrupt("a Huffman table is no prefix code");
      }
      for (int i = 0; i < counts[length - 1]; i++) {
        enter(code++, length, symbols[next++] & 0xFF);
      }
      code <<= 1;
    }
    maxCode[17] = Integer.MAX_VALUE;
    for (int i = 0; dc && i < next; i++) {
      if ((symbols[i] & 0xFF) > 15) {
        throw JpegDecoder.corrupt("a Huffman table of DC coefficients has symbol " + symbols[i]);
      }
    }
  }

  private void enter(int code, int length, int symbol) {
    if (length > LOOK) {
      return;
    }
    int spare = LOOK - length;
    int size = symbol & 15;
    for (int rest = 0; rest < 1 << spare; rest++) {
      int at = code << spare | rest;
      look[at] = length << 8 | symbol;
      if (size > 0 && size <= spare) {
        int value = extend(rest >> (spare - size), size);
        coefficient[at] = value << 16 | (symbol >> 4) << 8 | (length + size);
      }
    }
  }

  /** The symbol of a code that is longer than a look-up: {@code length << 8 | symbol}. */
  int longer(long bits) {
    int length = LOOK + 1;
    while (length < 17 && (int) (bits >>> (64 - length)) > maxCode[length]) {
      length++;
    }
    if (length == 17) {
      // No such code: libjpeg warns, takes it for a zero, and goes on.
      return 17 << 8;
    }
    int at = ((int) (bits >>> (64 - length)) + offset[length]) & 0xFF;
    return (length << 8) | (symbols[at] & 0xFF);
  }

  /** The number that {@code size} bits stand for (ITU T.81, table F.1). */
  static int extend(int bits, int size) {
    return bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits;
  }
}
