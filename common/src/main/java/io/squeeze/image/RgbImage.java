package io.squeeze.image;

/** Eight-bit pixels [height, width, 3], red first. */
public record RgbImage(int width, int height, byte[] data) {
  public RgbImage {
    if (data.length != width * height * 3) {
      throw new IllegalArgumentException(
          "Invalid image: " + data.length + " bytes for " + width + "x" + height + "x3");
    }
  }
}
