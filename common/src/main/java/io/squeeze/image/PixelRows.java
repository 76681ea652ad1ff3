package io.squeeze.image;

/** Takes a picture's pixels row by row, from top to bottom, as a decoder makes them. */
public interface PixelRows {
  /**
   * Takes one row. The decoder reuses the array when this method has returned.
   *
   * @param y counted from the picture's top
   * @param pixels red, green and blue of each pixel; pixels outside the requested region are
   *     undefined
   * @param at index of the picture's leftmost pixel
   */
  void row(int y, byte[] pixels, int at);
}
