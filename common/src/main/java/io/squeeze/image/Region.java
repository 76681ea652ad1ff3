package io.squeeze.image;

/**
 * Pixels of a picture: from (inclusive) to (exclusive).
 *
 * @param left first column
 * @param top first row
 * @param right column behind the last one
 * @param bottom row behind the last one
 */
public record Region(int left, int top, int right, int bottom) {

  /** A whole picture. */
  public static Region of(int width, int height) {
    return new Region(0, 0, width, height);
  }
}
