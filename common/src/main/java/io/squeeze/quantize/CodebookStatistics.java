package io.squeeze.quantize;

import java.io.Serializable;

/**
 * How many vectors lie on each code, and their sums, merged exactly: the result does not depend on
 * how the vectors were split, in which order they came or which sums were added first.
 *
 * <p>A sum is a fixed-point number of 128 bits, 64 of them behind the point. A float32 of magnitude
 * 2^-41 or more is added as it is, a smaller one to within 2^-65; so a sum over n vectors is off by
 * less than n 2^-65 before its one rounding to double. 2^32 vectors of magnitude 2^31 fit. Values
 * that are larger or much smaller are multiplied by a power of two first ({@link #exponent}).
 */
public final class CodebookStatistics implements Serializable {
  private static final long serialVersionUID = 1L;
  private static final double LIMIT = 1L << 31;
  private static final int FRACTION = 64;
  private static final double UNIT = 0x1p-64;

  /** Squared distances are summed apart by magnitude, in bands of so many powers of two. */
  private static final int BAND = 60;

  /** The band of the smallest distances; band 0 is of those from 2^-30 to 2^30. */
  private static final int FIRST = -3;

  private static final int BANDS = 8;

  /** The smallest largest value that needs no scaling. */
  private static final double SMALL = 0x1p-16;

  private final int width;
  private final int exponent;
  private final double limit;
  private final long[] counts;
  private final long[] whole;
  private final long[] parts;

  /** Of no vectors, for {@code codes} codes of {@code width} values. */
  public CodebookStatistics(int codes, int width) {
    this(codes, width, 0);
  }

  /**
   * The same for values that are multiplied by 2^{@code exponent}; only sums of one exponent merge.
   */
  public CodebookStatistics(int codes, int width, int exponent) {
    this.width = width;
    this.exponent = exponent;
    this.limit = Math.scalb(LIMIT, -exponent);
    // Behind the sums stand those of the squared distances, by their magnitude.
    this.counts = new long[codes];
    int sums = Math.addExact(Math.multiplyExact(codes, width), BANDS);
    this.whole = new long[sums];
    this.parts = new long[sums];
  }

  /** The exponent for vectors whose largest magnitude is this: 0 for values of the usual size. */
  public static int exponent(double largest) {
    boolean usual = largest == 0 || (largest >= SMALL && largest < LIMIT);
    return usual ? 0 : 30 - Math.getExponent(largest);
  }

  public int codes() {
    return counts.length;
  }

  public int width() {
    return width;
  }

  /**
   * Adds the vector at {@code from} of an array to a code.
   *
   * @throws IllegalArgumentException if a value is not finite, or not below 2^31 after scaling
   */
  public void add(int code, float[] values, int from) {
    counts[code]++;
    int to = code * width;
    for (int j = 0; j < width; j++) {
      add(to + j, values[from + j], exponent, limit);
    }
  }

  /** Adds the squared distance between a vector and its code to the sum over all codes. */
  public void addDistance(double squared) {
    int band = Math.floorDiv(Math.getExponent(squared) + BAND / 2, BAND);
    band = Math.max(FIRST, Math.min(FIRST + BANDS - 1, band));
    add(bandAt(band), (float) Math.scalb(squared, -BAND * band), 0, LIMIT);
  }

  private int bandAt(int band) {
    return whole.length - BANDS + band - FIRST;
  }

  private void add(int at, float value, int scale, double limit) {
    if (!(Math.abs((double) value) < limit)) {
      throw new IllegalArgumentException("Cannot sum " + value + ": not below 2^31");
    }
    int bits = Float.floatToRawIntBits(value);
    int biased = (bits >>> 23) & 0xff;
    long magnitude = biased == 0 ? bits & 0x7fffff : (bits & 0x7fffff) | 0x800000;
    // Without branches, here and for the carry: signs cannot be foretold.
    long sign = bits >> 31;
    long mantissa = (magnitude ^ sign) - sign;
    // value = mantissa * 2^(shift - 64)
    int shift = Math.max(biased, 1) - 150 + FRACTION + scale;
    if (shift > 0 && shift < 64) {
      add(at, mantissa >> (64 - shift), mantissa << shift);
    } else if (shift >= 64) {
      add(at, mantissa << (shift - 64), 0);
    } else {
      // Half away from zero.
      long half = shift == 0 ? 0 : 1L << (-shift - 1);
      long rounded = shift < -25 ? 0 : (((magnitude + half) >>> -shift) ^ sign) - sign;
      add(at, rounded >> 63, rounded);
    }
  }

  private void add(int at, long high, long low) {
    long before = parts[at];
    long sum = before + low;
    long carry = ((before & low) | ((before | low) & ~sum)) >>> 63;
    parts[at] = sum;
    whole[at] += high + carry;
  }

  /** Adds what another has counted; both are of the same codes. */
  public CodebookStatistics merge(CodebookStatistics other) {
    for (int k = 0; k < counts.length; k++) {
      counts[k] += other.counts[k];
    }
    for (int i = 0; i < whole.length; i++) {
      add(i, other.whole[i], other.parts[i]);
    }
    return this;
  }

  public long count(int code) {
    return counts[code];
  }

  /** The vectors on each code. */
  public long[] counts() {
    return counts.clone();
  }

  /** A component of the sum of a code's vectors. */
  public double sum(int code, int component) {
    return Math.scalb(value(code * width + component), -exponent);
  }

  /** The sum of the squared distances. */
  public double distances() {
    double sum = 0;
    for (int band = FIRST; band < FIRST + BANDS; band++) {
      sum += Math.scalb(value(bandAt(band)), BAND * band);
    }
    return sum;
  }

  private double value(int at) {
    long high = whole[at];
    long low = parts[at];
    boolean negative = high < 0;
    if (negative) {
      low = -low;
      high = ~high + (low == 0 ? 1 : 0);
    }
    // An unsigned long as a double: its upper 63 bits, then the lowest.
    double fraction = ((low >>> 1) * 2.0 + (low & 1)) * UNIT;
    double magnitude = high + fraction;
    return negative ? -magnitude : magnitude;
  }
}
