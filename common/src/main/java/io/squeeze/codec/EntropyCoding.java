package io.squeeze.codec;

import java.util.Arrays;
import java.util.List;

/**
 * Arithmetic coding of single codes (Witten, Neal and Cleary, Communications of the ACM 30(6),
 * 1987) with one fixed table of frequencies for each level. A sample takes the bits of its entropy,
 * two more, and the bits that fill the last byte.
 */
public final class EntropyCoding implements CodeCodec {
  /** Codes of the largest codebook whose table the arithmetic can hold. */
  public static final int MOST_CODES = 1 << 20;

  private static final long serialVersionUID = 1L;
  private static final long HALF = 1L << 31;
  private static final long QUARTER = 1L << 30;
  private static final long MASK = (1L << 32) - 1;

  private final int[] levels;

  /** Sums of the frequencies before each code, and behind the last: [level][K + 1]. */
  private final int[][] sums;

  private final int[] totalBits;

  /**
   * A coder for levels with these frequencies.
   *
   * @param frequencies [level][code], from {@link #frequencies}: each is at least 1, and the sum of
   *     a level is a power of two
   */
  public EntropyCoding(List<int[]> frequencies) {
    levels = frequencies.stream().mapToInt(level -> level.length).toArray();
    sums = new int[levels.length][];
    totalBits = new int[levels.length];
    for (int l = 0; l < levels.length; l++) {
      int[] counts = frequencies.get(l);
      sums[l] = new int[counts.length + 1];
      for (int k = 0; k < counts.length; k++) {
        if (counts[k] < 1) {
          throw CodeCodec.damaged("a table of frequencies with " + counts[k]);
        }
        sums[l][k + 1] = Math.addExact(sums[l][k], counts[k]);
      }
      int total = sums[l][counts.length];
      totalBits[l] = Integer.numberOfTrailingZeros(total);
      if (Integer.bitCount(total) != 1 || totalBits[l] > 24) {
        throw CodeCodec.damaged("frequencies that add up to " + total);
      }
    }
  }

  /**
   * Frequencies for codes with these counts. A code with a count of 0 gets a frequency, too, so
   * that it can be coded.
   */
  public static int[] frequencies(long[] counts) {
    int total = 1 << Math.max(16, BitPacking.bits(counts.length) + 4);
    double all = Math.max(1, Arrays.stream(counts).sum());
    int[] frequencies = new int[counts.length];
    int most = 0;
    int left = total;
    for (int k = 0; k < counts.length; k++) {
      frequencies[k] = 1 + (int) (counts[k] / all * (total - counts.length));
      left -= frequencies[k];
      most = counts[k] > counts[most] ? k : most;
    }
    frequencies[most] += left;
    return frequencies;
  }

  @Override
  public byte[] pack(int[] codes) {
    CodeCodec.check(codes, levels);
    Bits out = new Bits(new byte[16 + codes.length]);
    long low = 0;
    long high = MASK;
    long pending = 0;
    for (int i = 0; i < codes.length; i++) {
      int[] sum = sums[i % levels.length];
      int bits = totalBits[i % levels.length];
      long range = high - low + 1;
      high = low + ((range * sum[codes[i] + 1]) >>> bits) - 1;
      low += (range * sum[codes[i]]) >>> bits;
      while (true) {
        if (high < HALF || low >= HALF) {
          int bit = low >= HALF ? 1 : 0;
          out.add(bit);
          for (; pending > 0; pending--) {
            out.add(1 - bit);
          }
        } else if (low >= QUARTER && high < HALF + QUARTER) {
          pending++;
          low -= QUARTER;
          high -= QUARTER;
        } else {
          break;
        }
        low = (low << 1) & MASK;
        high = ((high << 1) & MASK) | 1;
      }
    }
    if (codes.length > 0) {
      int bit = low < QUARTER ? 0 : 1;
      out.add(bit);
      for (pending++; pending > 0; pending--) {
        out.add(1 - bit);
      }
    }
    return Arrays.copyOf(out.bytes, (int) ((out.size + 7) / 8));
  }

  @Override
  public int[] unpack(byte[] packed, int codes) {
    int[] unpacked = new int[codes];
    Bits in = new Bits(packed);
    long value = 0;
    for (int i = 0; i < 32; i++) {
      value = (value << 1) | in.next();
    }
    long low = 0;
    long high = MASK;
    for (int i = 0; i < codes; i++) {
      int[] sum = sums[i % levels.length];
      int bits = totalBits[i % levels.length];
      long range = high - low + 1;
      int at = (int) ((((value - low + 1) << bits) - 1) / range);
      int code = Arrays.binarySearch(sum, at);
      code = code < 0 ? -code - 2 : code;
      unpacked[i] = code;
      high = low + ((range * sum[code + 1]) >>> bits) - 1;
      low += (range * sum[code]) >>> bits;
      while (true) {
        if (low >= HALF) {
          low -= HALF;
          high -= HALF;
          value -= HALF;
        } else if (low >= QUARTER && high < HALF + QUARTER) {
          low -= QUARTER;
          high -= QUARTER;
          value -= QUARTER;
        } else if (high >= HALF) {
          break;
        }
        low <<= 1;
        high = (high << 1) | 1;
        value = (value << 1) | in.next();
      }
    }
    // Any bytes decode to some codes. They are valid only if packing those codes gives them again.
    if (!Arrays.equals(pack(unpacked), packed)) {
      throw CodeCodec.damaged("no " + codes + " codes give these " + packed.length + " bytes");
    }
    return unpacked;
  }

  /** Bits from the highest of the first byte on; zeros behind the last. */
  private static final class Bits {
    private byte[] bytes;
    private long size;

    Bits(byte[] bytes) {
      this.bytes = bytes;
    }

    void add(int bit) {
      int at = (int) (size >> 3);
      if (at == bytes.length) {
        bytes = Arrays.copyOf(bytes, 2 * at);
      }
      bytes[at] |= (byte) (bit << (7 - (size & 7)));
      size++;
    }

    int next() {
      int at = (int) (size >> 3);
      int bit = at < bytes.length ? (bytes[at] >> (7 - (size & 7))) & 1 : 0;
      size++;
      return bit;
    }
  }
}
