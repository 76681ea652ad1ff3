package io.squeeze.codec;

import io.squeeze.config.SqueezeException;
import java.io.Serializable;

/**
 * Turns the codes of a sample into bytes and back. The codes have the order of the tables:
 * row-major, and the levels of a vector side by side.
 */
public interface CodeCodec extends Serializable {

  /**
   * Codes to bytes.
   *
   * @throws SqueezeException of category input if a code does not belong to its level
   */
  byte[] pack(int[] codes);

  /**
   * Unpacks {@code codes} codes from their bytes.
   *
   * @throws SqueezeException of category input if no such number of codes gives these bytes
   */
  int[] unpack(byte[] packed, int codes);

  /** Refuses a code that its level does not have. */
  static void check(int[] codes, int[] levels) {
    if (codes.length % levels.length != 0) {
      throw damaged(codes.length + " codes for vectors of " + levels.length + " levels");
    }
    for (int i = 0; i < codes.length; i++) {
      int size = levels[i % levels.length];
      if (codes[i] < 0 || codes[i] >= size) {
        throw damaged(
            "code " + codes[i] + " of level " + i % levels.length + " is not below " + size);
      }
    }
  }

  /** Refuses bytes that are too many or too few. */
  static void checkBytes(int expected, int found, int codes) {
    if (expected != found) {
      throw damaged(codes + " codes take " + expected + " bytes, found " + found);
    }
  }

  /**
   * The error for codes that do not belong to the codebook, or that changed after they were
   * written.
   */
  static SqueezeException damaged(String what) {
    return SqueezeException.input("Damaged or foreign codes: " + what);
  }
}
