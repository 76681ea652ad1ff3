package io.squeeze.image;

/** Cyan, magenta, yellow and black to red, green and blue, as PIL computes it: without profiles. */
public final class Inks {
  private Inks() {}

  /**
   * The light that remains after an ink.
   *
   * @param ink 0..255
   * @param light the light that remains after the black ink, 0..255
   */
  public static byte light(int ink, int light) {
    int product = ink * light + 128;
    int taken = ((product >> 8) + product) >> 8;
    return (byte) Math.max(0, light - taken);
  }

  /** Four inks a pixel, with bands behind them or not, to RGB. */
  static byte[] rgb(byte[] inks, int bands) {
    byte[] out = new byte[inks.length / bands * 3];
    for (int i = 0, o = 0; o < out.length; i += bands) {
      for (int c = 0; c < 3; c++) {
        out[o++] = light(inks[i + c] & 0xFF, 255 - (inks[i + 3] & 0xFF));
      }
    }
    return out;
  }
}
