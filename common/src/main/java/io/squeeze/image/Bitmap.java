package io.squeeze.image;

import io.squeeze.image.BadSampleException.Code;
import java.util.Arrays;

/**
 * Pixels as a file stores them, before it is known whether they are a photo or labels.
 *
 * @param bands 1 for grey or indices, 2 for grey and alpha, 3 for RGB, 4 for RGB and alpha
 * @param data [height, width, bands]
 * @param palette red, green and blue of 256 indices; null where a band is a level itself
 * @param levels [height, width] of grey with 16 bits, whose {@code data} are cut to 255; else null
 */
record Bitmap(int width, int height, int bands, byte[] data, byte[] palette, char[] levels) {

  /** Pixels of RGB. */
  static Bitmap of(RgbImage image) {
    return new Bitmap(image.width(), image.height(), 3, image.data(), null, null);
  }

  /** A palette whose entry i is the grey level i, as PIL's is before it is filled. */
  static byte[] ramp() {
    byte[] palette = new byte[768];
    for (int i = 0; i < 768; i++) {
      palette[i] = (byte) (i / 3);
    }
    return palette;
  }

  /** The palette of one bit: labels 0 and 1. */
  static byte[] blackAndWhite() {
    byte[] palette = new byte[768];
    Arrays.fill(palette, 3, 768, (byte) 255);
    return palette;
  }

  /** What PIL's {@code convert("RGB")} gives: grey repeated, a palette looked up, alpha dropped. */
  RgbImage rgb() {
    if (bands == 3) {
      return new RgbImage(width, height, data);
    }
    byte[] out = new byte[Math.multiplyExact(width * height, 3)];
    int colours = bands < 3 ? 1 : 3;
    for (int i = 0, o = 0; o < out.length; i += bands, o += 3) {
      if (palette != null) {
        int entry = (data[i] & 0xFF) * 3;
        out[o] = palette[entry];
        out[o + 1] = palette[entry + 1];
        out[o + 2] = palette[entry + 2];
      } else {
        out[o] = data[i];
        out[o + 1] = data[colours == 1 ? i : i + 1];
        out[o + 2] = data[colours == 1 ? i : i + 2];
      }
    }
    return new RgbImage(width, height, out);
  }

  /**
   * One value a pixel: a palette's index, or the level that all colours share.
   *
   * @param reduce divides the values that are as large or larger; 0: none
   * @throws BadSampleException if pixels hold more than one value
   */
  Mask labels(int reduce) throws BadSampleException {
    if (levels != null) {
      byte[] out = new byte[levels.length];
      for (int i = 0; i < levels.length; i++) {
        int value = reduce > 0 && levels[i] >= reduce ? levels[i] / reduce : levels[i];
        if (value > 255) {
          throw notOne(
              i,
              "level "
                  + value
                  + ", and labels are 0 to 255: where it counts instances, declare reduce"
                  + " (--dataset)");
        }
        out[i] = (byte) value;
      }
      return new Mask(width, height, out);
    }
    if (bands == 1) {
      return new Mask(width, height, data);
    }
    byte[] out = new byte[width * height];
    for (int i = 0, p = 0; i < out.length; i++, p += bands) {
      if (bands >= 3 && (data[p] != data[p + 1] || data[p] != data[p + 2])) {
        throw notOne(
            i,
            ("the colour %s, %s, %s: store the class's number, as grey or as the index of a"
                    + " palette, or declare what the colours mean (colours of --dataset)")
                .formatted(data[p] & 0xFF, data[p + 1] & 0xFF, data[p + 2] & 0xFF));
      }
      if (bands % 2 == 0 && data[p + bands - 1] != data[bands - 1]) {
        throw notOne(i, "another alpha than the first one: store labels without alpha");
      }
      out[i] = data[p];
    }
    return new Mask(width, height, out);
  }

  private BadSampleException notOne(int pixel, String what) {
    return new BadSampleException(
        Code.UNSUPPORTED,
        "a mask has one value a pixel; the one at "
            + pixel % width
            + ", "
            + pixel / width
            + " has "
            + what);
  }
}
