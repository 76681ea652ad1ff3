package io.squeeze.image;

/** One label a pixel, [height, width], 0..255. */
public record Mask(int width, int height, byte[] data) {
  public Mask {
    if (data.length != width * height) {
      throw new IllegalArgumentException(
          "Invalid mask: " + data.length + " bytes for " + width + "x" + height);
    }
  }
}
