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
 * @param windowSide side of the windows that the backbone sees instead of the whole square; null
 *     for none
 * @param windowStride from one window to the next; null: two thirds of a window
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
    Integer windowSide,
    Integer windowStride)
    implements Serializable {

  /**
   * Windows that slide over the square.
   *
   * @param side of a window, in pixels
   * @param stride from one window to the next, in pixels, before it is cut to whole cells
   */
  public record Windows(int side, int stride) implements Serializable {}

  /** The windows; null where the backbone sees the whole square. */
  public Windows windows() {
    if (windowSide == null) {
      return null;
    }
    return new Windows(
        windowSide, windowStride == null ? Math.max(1, 2 * windowSide / 3) : windowStride);
  }

  /** Side of what the backbone sees at a time, in pixels. */
  public int seen() {
    return windowSide == null ? size : windowSide;
  }

  /**
   * Checks the windows against the square: of the settings that all sources gave together.
   *
   * @throws SqueezeException of category configuration if they do not fit
   */
  public void checkWindows() {
    if (windowSide == null && windowStride != null) {
      throw SqueezeException.configuration(
          "image.stride (--stride) is from one window to the next: set image.windows (--windows), too");
    }
    if (windowSide == null) {
      return;
    }
    if (windowSide > size) {
      throw SqueezeException.configuration(
          ("image.windows (--windows) is %d, more than image.size (--image_size), the square that they"
                  + " slide over, which is %d")
              .formatted(windowSide, size));
    }
    if (windowStride != null && windowStride > windowSide) {
      throw SqueezeException.configuration(
          ("image.stride (--stride) is %d, more than image.windows (--windows), which is %d: pixels"
                  + " between windows would be left out")
              .formatted(windowStride, windowSide));
    }
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
        section.optionalIntIn("windows", 1, 4096),
        section.optionalIntIn("stride", 1, 4096));
  }
}
