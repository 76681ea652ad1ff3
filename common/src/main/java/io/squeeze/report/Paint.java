package io.squeeze.report;

import io.squeeze.image.Mask;
import io.squeeze.image.RgbImage;
import java.awt.image.BufferedImage;
import java.util.List;

/** Photos and masks as images, in the colours of the classes. */
final class Paint {
  /** Of pixels that are not counted. */
  static final int IGNORED = 0x000000;

  private static final int NO_PHOTO = 0xE4E7EB;

  /** Half the width of an outline. */
  private static final int REACH = 1;

  private final List<Integer> palette;

  Paint(List<Integer> palette) {
    this.palette = palette;
  }

  /** The photo, or an empty square of the mask's size. */
  static BufferedImage photo(Picture picture) {
    int width = picture.truth().width();
    int height = picture.truth().height();
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    RgbImage photo = picture.photo();
    for (int i = 0; i < width * height; i++) {
      int rgb = NO_PHOTO;
      if (photo != null) {
        byte[] p = photo.data();
        rgb = (p[i * 3] & 0xFF) << 16 | (p[i * 3 + 1] & 0xFF) << 8 | (p[i * 3 + 2] & 0xFF);
      }
      image.setRGB(i % width, i / width, rgb);
    }
    return image;
  }

  /** The classes of the pixels. */
  BufferedImage filled(Mask mask) {
    BufferedImage image =
        new BufferedImage(mask.width(), mask.height(), BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < mask.data().length; i++) {
      image.setRGB(i % mask.width(), i / mask.width(), colour(mask.data()[i] & 0xFF));
    }
    return image;
  }

  /** The photo, with lines where the class changes, on each side in the class's own colour. */
  BufferedImage outlined(Picture picture, Mask mask) {
    BufferedImage image = photo(picture);
    for (int y = 0; y < mask.height(); y++) {
      for (int x = 0; x < mask.width(); x++) {
        if (edge(mask, x, y)) {
          image.setRGB(x, y, colour(label(mask, x, y)));
        }
      }
    }
    return image;
  }

  private static boolean edge(Mask mask, int x, int y) {
    int label = label(mask, x, y);
    for (int dy = -REACH; dy <= REACH; dy++) {
      for (int dx = -REACH; dx <= REACH; dx++) {
        int u = x + dx;
        int v = y + dy;
        boolean inside = u >= 0 && v >= 0 && u < mask.width() && v < mask.height();
        if (inside && label(mask, u, v) != label) {
          return true;
        }
      }
    }
    return false;
  }

  private static int label(Mask mask, int x, int y) {
    return mask.data()[y * mask.width() + x] & 0xFF;
  }

  private int colour(int label) {
    return label < palette.size() ? palette.get(label) : IGNORED;
  }
}
