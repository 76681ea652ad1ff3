package io.squeeze.codec;

import io.squeeze.config.SqueezeException;
import java.io.Serializable;

/** How the codes of a sample become bytes: row-major, level fastest, as they stand in a table. */
public interface CodeCodec extends Serializable {

  /**
   * Codes to bytes.
   *
   * @throws SqueezeException of category input if a code does not belong to its level
   */
  byte[] pack(int[] codes);

  /**
   * Bytes to the {@code codes} codes that they were packed from.
   *
   * @throws SqueezeException of category input if they were packed from no such codes
   */
  int[] unpack(byte[] packed, int codes);

  /** Refuses a code that is none of its level's. */
  static void check(int[] codes, int[] levels) {
    if (codes.length % levels.length != 0) {
      throw damaged(codes.length + " codes for vectors of " + levels.length + " levels");
    }
    for (int i = 0; i < codes.length; i++) {
      int size = levels[i % levels.length];
      if (codes[i] < 0 || codes[i] >= size) {
        throw damaged("code " + codes[i] + " of level " + i % levels.length + " of " + size);
      }
    }
  }

  /** Refuses bytes that are too many or too few. */
  static void checkBytes(int expected, int found, int codes) {
    if (expected != found) {
      throw damaged(codes + " codes take " + expected + " bytes, found " + found);
    }
  }

  /** What says that codes are not those of the codebook, or not what was written. */
  static SqueezeException damaged(String what) {
    return SqueezeException.input("Damaged or foreign codes: " + what);
  }
}
