package io.squeeze.codec;

/** Packs codes of a fixed width without gaps, the lowest bit of a code first. */
public final class BitPacking {
  private final int bits;

  /** For codes below {@code codebookSize}. */
  public BitPacking(int codebookSize) {
    this.bits = bits(codebookSize);
  }

  /** Bits that one of {@code codebookSize} codes needs: 9 for 512. */
  public static int bits(int codebookSize) {
    return 32 - Integer.numberOfLeadingZeros(codebookSize - 1);
  }

  /** Bytes of {@code codes} packed codes. */
  public int bytes(int codes) {
    return Math.toIntExact(((long) codes * bits + 7) / 8);
  }

  /** Codes to bytes; the last byte is filled with zeros. */
  public byte[] pack(int[] codes) {
    byte[] packed = new byte[bytes(codes.length)];
    long position = 0;
    for (int code : codes) {
      if (code < 0 || code >>> bits != 0) {
        throw new IllegalArgumentException("Invalid code: " + code + " needs more than " + bits);
      }
      for (int b = 0; b < bits; b++, position++) {
        packed[(int) (position >> 3)] |= (byte) ((code >> b & 1) << (position & 7));
      }
    }
    return packed;
  }

  /** The first {@code codes} codes of packed bytes. */
  public int[] unpack(byte[] packed, int codes) {
    int[] unpacked = new int[codes];
    long position = 0;
    for (int i = 0; i < codes; i++) {
      for (int b = 0; b < bits; b++, position++) {
        unpacked[i] |= (packed[(int) (position >> 3)] >> (position & 7) & 1) << b;
      }
    }
    return unpacked;
  }
}
