package io.squeeze.image.jpeg;

import io.squeeze.image.BadSampleException;
import java.util.List;

/**
 * What a JPEG file announces before its first scan.
 *
 * @param width of the picture in pixels
 * @param height of the picture in pixels
 * @param components one for grey, three for colours, four for CMYK
 * @param colours how the components' numbers become colours
 */
record Frame(
    int width, int height, boolean progressive, List<Component> components, Colours colours) {

  enum Colours {
    GREY,
    RGB,
    YCC,
    CMYK,
    YCCK
  }

  int maxHorizontal() {
    return components.stream().mapToInt(c -> c.horizontal).max().orElseThrow();
  }

  int maxVertical() {
    return components.stream().mapToInt(c -> c.vertical).max().orElseThrow();
  }

  /** Blocks of 8 x 8 of all components. */
  long blocks() {
    return components.stream().mapToLong(c -> (long) c.blocksWide * c.blocksHigh).sum();
  }

  /** Sets the sizes that follow from sampling. */
  Frame measured() throws BadSampleException {
    int horizontal = maxHorizontal();
    int vertical = maxVertical();
    for (Component c : components) {
      c.blocksWide = ceil((long) width * c.horizontal, horizontal * 8);
      c.blocksHigh = ceil((long) height * c.vertical, vertical * 8);
      c.paddedWide = ceil(width, horizontal * 8) * c.horizontal;
      c.paddedHigh = ceil(height, vertical * 8) * c.vertical;
      if (horizontal % c.horizontal != 0 || vertical % c.vertical != 0) {
        throw new BadSampleException(
            BadSampleException.Code.UNSUPPORTED,
            "JPEG components sampled %sx%s of %sx%s: no whole ratio"
                .formatted(c.horizontal, c.vertical, horizontal, vertical));
      }
    }
    return this;
  }

  static int ceil(long number, int divisor) {
    return (int) ((number + divisor - 1) / divisor);
  }
}
