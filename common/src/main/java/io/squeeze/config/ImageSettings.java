package io.squeeze.config;

import java.io.Serializable;
import java.util.List;

/**
 * Limits of decoding, and the square that a backbone sees: sides in pixels, mean and std in 0..1.
 *
 * @param resize length of the shorter side before the crop
 * @param squash whether both sides get this length, so that the longer one is not cropped more
 * @param scaledDecoding whether a JPEG may be decoded to a half, a quarter or an eighth of its size
 * @param applyOrientation whether pictures are turned as their EXIF block says
 * @param windows what the backbone sees instead of the whole square; null for none
 */
public record ImageSettings(
    int size,
    int resize,
    boolean squash,
    long maxPixels,
    long maxBytes,
    boolean scaledDecoding,
    boolean applyOrientation,
    List<Double> mean,
    List<Double> std,
    Windows windows)
    implements Serializable {

  /**
   * Windows that slide over the square.
   *
   * @param side of a window, in pixels
   * @param stride from one window to the next, in pixels, before it is cut to whole cells
   */
  public record Windows(int side, int stride) implements Serializable {}

  /** Side of what the backbone sees at a time, in pixels. */
  public int seen() {
    return windows == null ? size : windows.side();
  }

  static ImageSettings from(Section section, Problems problems) {
    int size = section.intIn("size", 1, 4096);
    Integer resize = section.optionalIntIn("resize", 1, 8192);
    if (resize != null && resize < size) {
      problems.add("image.resize: " + resize + " is less than image.size, which is " + size);
    }
    return new ImageSettings(
        size,
        resize == null ? size : Math.max(size, resize),
        section.oneOf("crop", List.of("center", "squash")).equals("squash"),
        section.longIn("max-pixels", 1, Integer.MAX_VALUE / 4),
        section.bytes("max-bytes"),
        section.oneOf("decode", List.of("full", "scaled")).equals("scaled"),
        section.oneOf("exif-orientation", List.of("ignore", "apply")).equals("apply"),
        section.threeDoubles("mean", -10, 10),
        section.threeDoubles("std", 1e-6, 10),
        windows(section, size, problems));
  }

  private static Windows windows(Section section, int size, Problems problems) {
    Integer side = section.optionalIntIn("windows", 1, 4096);
    Integer stride = section.optionalIntIn("stride", 1, 4096);
    if (side == null) {
      if (stride != null) {
        problems.add("image.stride: it is from one window to the next; set image.windows, too");
      }
      return null;
    }
    if (side > size) {
      problems.add(
          "image.windows: %d is more than image.size, the square that they slide over, which is %d"
              .formatted(side, size));
    }
    if (stride != null && stride > side) {
      problems.add(
          "image.stride: %d is more than image.windows, which is %d: pixels between windows would be left out"
              .formatted(stride, side));
    }
    return new Windows(side, stride == null ? Math.max(1, 2 * side / 3) : stride);
  }
}
