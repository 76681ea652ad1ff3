package io.squeeze.image;

/** Takes a picture's pixels row by row, from top to bottom, as a decoder makes them. */
public interface PixelRows {
  /**
   * One row; the array is the decoder's own again when this returns.
   *
   * @param y counted from the picture's top
   * @param pixels red, green and blue of each pixel; outside the region that was asked for anything
   * @param at where the pixel at the picture's left lies
   */
  void row(int y, byte[] pixels, int at);
}
