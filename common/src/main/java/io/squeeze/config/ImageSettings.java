package io.squeeze.config;

import java.io.Serializable;
import java.util.List;

/**
 * Limits of decoding, and the square that a backbone sees: side in pixels, mean and std in 0..1.
 */
public record ImageSettings(
    int size, long maxPixels, long maxBytes, List<Double> mean, List<Double> std)
    implements Serializable {

  static ImageSettings from(Section section) {
    return new ImageSettings(
        section.intIn("size", 1, 4096),
        section.longIn("max-pixels", 1, Integer.MAX_VALUE / 4),
        section.bytes("max-bytes"),
        section.threeDoubles("mean", -10, 10),
        section.threeDoubles("std", 1e-6, 10));
  }
}
