package io.squeeze.codec;

import java.util.stream.IntStream;

/**
 * Packs codes without gaps, the lowest bit of each code first. All codes of a level have the same
 * width.
 */
public final class BitPacking implements CodeCodec {
  private static final long serialVersionUID = 1L;

  private final int[] levels;
  private final int[] bits;

  /**
   * A packer for codes of these levels. The code at place i is below {@code levels[i %
   * levels.length]}.
   */
  public BitPacking(int... levels) {
    this.levels = levels.clone();
    this.bits = IntStream.of(levels).map(BitPacking::bits).toArray();
  }

  /** Bits that one of {@code codebookSize} codes needs: 9 for 512. */
  public static int bits(int codebookSize) {
    return 32 - Integer.numberOfLeadingZeros(codebookSize - 1);
  }

  /** Bits of {@code codes} packed codes, without those that fill the last byte. */
  public long width(int codes) {
    long all = (long) codes / bits.length * IntStream.of(bits).sum();
    for (int level = 0; level < codes % bits.length; level++) {
      all += bits[level];
    }
    return all;
  }

  /** Bytes of {@code codes} packed codes. */
  public int bytes(int codes) {
    return Math.toIntExact((width(codes) + 7) / 8);
  }

  @Override
  public byte[] pack(int[] codes) {
    CodeCodec.check(codes, levels);
    byte[] packed = new byte[bytes(codes.length)];
    long ahead = 0;
    int filled = 0;
    int next = 0;
    for (int i = 0; i < codes.length; i++) {
      ahead |= (long) codes[i] << filled;
      filled += bits[i % bits.length];
      for (; filled >= 8; filled -= 8, ahead >>>= 8) {
        packed[next++] = (byte) ahead;
      }
    }
    if (filled > 0) {
      packed[next] = (byte) ahead;
    }
    return packed;
  }

  @Override
  public int[] unpack(byte[] packed, int codes) {
    CodeCodec.checkBytes(bytes(codes), packed.length, codes);
    int[] unpacked = new int[codes];
    long ahead = 0;
    int filled = 0;
    int next = 0;
    for (int i = 0; i < codes; i++) {
      int width = bits[i % bits.length];
      for (; filled < width; filled += 8) {
        ahead |= (packed[next++] & 0xFFL) << filled;
      }
      unpacked[i] = (int) (ahead & ((1L << width) - 1));
      ahead >>>= width;
      filled -= width;
    }
    if (ahead != 0) {
      throw CodeCodec.damaged("there are bits after the last of " + codes + " codes");
    }
    CodeCodec.check(unpacked, levels);
    return unpacked;
  }
}
