package io.squeeze.weights;

/** IEEE half precision and bfloat16, rounded to nearest, ties to even, as torch does. */
public final class SmallFloats {
  private SmallFloats() {}

  static float fromBfloat16(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  static short toBfloat16(float value) {
    if (Float.isNaN(value)) {
      return 0x7FC0;
    }
    int bits = Float.floatToRawIntBits(value);
    return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
  }

  /** The number that the bits of a half-precision float stand for. */
  public static float fromHalf(short bits) {
    int exponent = (bits >> 10) & 0x1F;
    int fraction = bits & 0x3FF;
    float magnitude;
    if (exponent == 0) {
      magnitude = fraction * 0x1p-24f;
    } else if (exponent == 31) {
      magnitude = fraction == 0 ? Float.POSITIVE_INFINITY : Float.NaN;
    } else {
      magnitude = Float.intBitsToFloat(((exponent + 112) << 23) | (fraction << 13));
    }
    return bits < 0 ? -magnitude : magnitude;
  }

  static short toHalf(float value) {
    int sign = (Float.floatToRawIntBits(value) >>> 16) & 0x8000;
    float magnitude = Math.abs(value);
    int bits;
    if (Float.isNaN(value)) {
      bits = 0x7E00;
    } else if (magnitude >= 65520f) {
      bits = 0x7C00;
    } else if (magnitude < 0x1p-14f) {
      // Subnormal: multiples of 2^-24; rint rounds ties to even.
      bits = (int) Math.rint(magnitude * 0x1p24);
    } else {
      int raw = Float.floatToRawIntBits(magnitude);
      bits = ((raw + 0xFFF + ((raw >>> 13) & 1)) >>> 13) - (112 << 10);
    }
    return (short) (sign | bits);
  }
}
