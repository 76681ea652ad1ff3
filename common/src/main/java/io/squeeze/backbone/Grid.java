package io.squeeze.backbone;

import java.io.Serializable;

/** The shape of one image's features: [channels, height, width]. */
public record Grid(int channels, int height, int width) implements Serializable {
  public Grid {
    if (channels < 1 || height < 1 || width < 1) {
      throw new IllegalArgumentException("Invalid grid: " + channels + "x" + height + "x" + width);
    }
  }

  /** Vectors of one image. */
  public int positions() {
    return height * width;
  }

  /** Values of one image. */
  public int values() {
    return channels * height * width;
  }
}
