package io.squeeze.dataset;

import io.squeeze.image.BadSampleException;
import io.squeeze.image.Mask;
import io.squeeze.image.RgbImage;
import java.io.Serializable;
import java.util.Map;

/**
 * What the colours of masks stand for.
 *
 * @param labels of colours, 0xRRGGBB; 255 to ignore the pixel
 * @param unknown label of any other colour; -1: there must be none
 */
public record Colours(Map<Integer, Integer> labels, int unknown) implements Serializable {

  /**
   * The labels of a mask's pixels.
   *
   * @throws BadSampleException if a colour must not occur
   */
  Mask labelled(RgbImage image) throws BadSampleException {
    byte[] data = image.data();
    byte[] out = new byte[image.width() * image.height()];
    int before = -1;
    int label = unknown;
    for (int i = 0, at = 0; i < out.length; i++, at += 3) {
      int colour = (data[at] & 0xFF) << 16 | (data[at + 1] & 0xFF) << 8 | (data[at + 2] & 0xFF);
      if (colour != before) {
        label = labels.getOrDefault(colour, unknown);
        before = colour;
      }
      if (label < 0) {
        throw new BadSampleException(
            BadSampleException.Code.BAD_LABEL,
            "the mask has the colour #%06X at %d, %d, which colours (--dataset) does not name"
                .formatted(colour, i % image.width(), i / image.width()));
      }
      out[i] = (byte) label;
    }
    return new Mask(image.width(), image.height(), out);
  }
}
