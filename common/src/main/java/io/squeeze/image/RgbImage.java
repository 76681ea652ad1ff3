package io.squeeze.image;

/** Eight-bit pixels [height, width, 3], red first. */
public record RgbImage(int width, int height, byte[] data) {
  public RgbImage {
    if (data.length != width * height * 3) {
      throw new IllegalArgumentException(
          "Invalid image: " + data.length + " bytes for " + width + "x" + height + "x3");
    }
  }

  /** A black picture. */
  static RgbImage black(int width, int height) {
    return new RgbImage(width, height, new byte[Math.multiplyExact(width * height, 3)]);
  }

  /** Fills this picture with rows. */
  PixelRows filled() {
    return (y, pixels, at) -> System.arraycopy(pixels, at, data, y * width * 3, width * 3);
  }

  /** Hands over the rows of a region. */
  void rows(Region region, PixelRows target) {
    for (int y = region.top(); y < region.bottom(); y++) {
      target.row(y, data, y * width * 3);
    }
  }
}
