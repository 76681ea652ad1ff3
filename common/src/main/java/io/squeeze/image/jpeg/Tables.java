package io.squeeze.image.jpeg;

import io.squeeze.image.BadSampleException;
import java.util.Arrays;
import java.util.HexFormat;

/** Constants of ITU T.81, and the tables that a file defines. */
final class Tables {
  /**
   * Where the coefficients of the file's zigzag order lie in a block; 16 more entries catch what
   * damaged files count beyond the end.
   */
  static final int[] NATURAL = natural();

  /** Quantization steps in natural order. */
  final int[][] quantization = new int[4][];

  private final HuffmanTable[] dc = new HuffmanTable[4];
  private final HuffmanTable[] ac = new HuffmanTable[4];
  private final Definition[] dcDefinitions = new Definition[4];
  private final Definition[] acDefinitions = new Definition[4];

  /** Annex K.3: of luminance, of chrominance. */
  private static final String[] DC_COUNTS = {
    "00010501010101010100000000000000", "00030101010101010101010000000000"
  };

  private static final String[] AC_COUNTS = {
    "0002010303020403050504040000017d", "00020102040403040705040400010277"
  };

  private static final String[] AC_SYMBOLS = {
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a16"
        + "1718191a25262728292a3435363738393a434445464748494a535455565758595a63646566676869"
        + "6a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6"
        + "b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8"
        + "f9fa",
    "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434"
        + "e125f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768"
        + "696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4"
        + "b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8"
        + "f9fa"
  };

  private record Definition(int[] counts, byte[] symbols) {}

  private static int[] natural() {
    int[] order = new int[80];
    int x = 0;
    int y = 0;
    for (int i = 0; i < 64; i++) {
      order[i] = y * 8 + x;
      boolean up = (x + y) % 2 == 0;
      if (up ? x == 7 : y < 7 && x == 0) {
        y++;
      } else if (up ? y == 0 : y == 7) {
        x++;
      } else {
        x += up ? 1 : -1;
        y += up ? -1 : 1;
      }
    }
    Arrays.fill(order, 64, 80, 63);
    return order;
  }

  /** Reads a DQT segment of {@code length} bytes. */
  void readQuantization(BitStream in, int length) throws BadSampleException {
    int left = length;
    while (left > 0) {
      int head = in.readByte();
      if ((head & 15) > 3) {
        throw JpegDecoder.corrupt("quantization table " + (head & 15));
      }
      boolean wide = head >> 4 != 0;
      int[] steps = new int[64];
      for (int i = 0; i < 64; i++) {
        // libjpeg keeps steps in 16 bits with a sign.
        steps[NATURAL[i]] = (short) (wide ? in.readShort() : in.readByte());
      }
      quantization[head & 15] = steps;
      left -= wide ? 129 : 65;
    }
    if (left != 0) {
      throw JpegDecoder.corrupt("a quantization table of another length than its segment");
    }
  }

  /** Reads a DHT segment of {@code length} bytes. */
  void readHuffman(BitStream in, int length) throws BadSampleException {
    int left = length;
    while (left > 16) {
      int head = in.readByte();
      int[] counts = new int[16];
      int sum = 0;
      for (int i = 0; i < 16; i++) {
        counts[i] = in.readByte();
        sum += counts[i];
      }
      left -= 17;
      if (sum > 256 || sum > left || (head & 15) > 3 || head >> 4 > 1) {
        throw JpegDecoder.corrupt("a Huffman table of " + sum + " codes, number " + head);
      }
      byte[] symbols = new byte[256];
      for (int i = 0; i < sum; i++) {
        symbols[i] = (byte) in.readByte();
      }
      left -= sum;
      define(head >> 4 == 0, head & 15, new Definition(counts, symbols));
    }
    if (left != 0) {
      throw JpegDecoder.corrupt("a Huffman table of another length than its segment");
    }
  }

  private void define(boolean direct, int number, Definition definition) {
    (direct ? dcDefinitions : acDefinitions)[number] = definition;
    (direct ? dc : ac)[number] = null;
  }

  /**
   * A table of DC coefficients.
   *
   * @throws BadSampleException if the file has not defined it
   */
  HuffmanTable dc(int number) throws BadSampleException {
    return table(dc, dcDefinitions, number, true);
  }

  /** The same of AC coefficients. */
  HuffmanTable ac(int number) throws BadSampleException {
    return table(ac, acDefinitions, number, false);
  }

  private static HuffmanTable table(
      HuffmanTable[] built, Definition[] definitions, int number, boolean dc)
      throws BadSampleException {
    if (number > 3 || definitions[number] == null) {
      throw JpegDecoder.corrupt("a scan asks for Huffman table " + number + ", which is not there");
    }
    if (built[number] == null) {
      Definition definition = definitions[number];
      built[number] = new HuffmanTable(definition.counts(), definition.symbols(), dc);
    }
    return built[number];
  }

  /** Defines the usual tables (annex K.3) where the file has none, as in frames of motion JPEG. */
  void defineUsual() {
    for (int i = 0; i < 2; i++) {
      if (dcDefinitions[i] == null) {
        define(true, i, usual(DC_COUNTS[i], "000102030405060708090a0b"));
      }
      if (acDefinitions[i] == null) {
        define(false, i, usual(AC_COUNTS[i], AC_SYMBOLS[i]));
      }
    }
  }

  private static Definition usual(String counts, String symbols) {
    byte[] numbers = HexFormat.of().parseHex(counts);
    int[] lengths = new int[16];
    for (int i = 0; i < 16; i++) {
      lengths[i] = numbers[i];
    }
    return new Definition(lengths, Arrays.copyOf(HexFormat.of().parseHex(symbols), 256));
  }
}
