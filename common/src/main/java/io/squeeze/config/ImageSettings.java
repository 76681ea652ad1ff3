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
    List<Double> std)
    implements Serializable {

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
        section.threeDoubles("std", 1e-6, 10));
  }
}
