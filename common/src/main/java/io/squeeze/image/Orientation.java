package io.squeeze.image;

import java.util.Arrays;

/** How a picture is turned and mirrored until its top is up: EXIF's 1 to 8. */
record Orientation(int value) {
  static final Orientation UPRIGHT = new Orientation(1);

  /** Anything but 1 to 8 counts as upright, as in PIL. */
  Orientation {
    if (value < 1 || value > 8) {
      value = 1;
    }
  }

  /** Of EXIF's block, with or without the name in front of it. */
  static Orientation of(byte[] file, int from, int length) {
    int name = length >= 6 && file[from] == 'E' && file[from + 1] == 'x' ? 6 : 0;
    Ifd ifd = Ifd.of(file, from + name, length - name);
    return new Orientation(ifd.number(Ifd.ORIENTATION, 1));
  }

  boolean upright() {
    return value == 1;
  }

  /** Whether width and height change places. */
  boolean swaps() {
    return value >= 5;
  }

  Bitmap apply(Bitmap picture) {
    if (upright()) {
      return picture;
    }
    int width = picture.width();
    int height = picture.height();
    int outWidth = swaps() ? height : width;
    int outHeight = swaps() ? width : height;
    boolean mirroredX = value == 2 || value == 3 || value == 7 || value == 8;
    boolean mirroredY = value == 3 || value == 4 || value == 6 || value == 7;
    int bands = picture.bands();
    byte[] out = new byte[picture.data().length];
    char[] levels = picture.levels() == null ? null : new char[picture.levels().length];
    for (int y = 0, o = 0; y < outHeight; y++) {
      for (int x = 0; x < outWidth; x++, o++) {
        int sourceX = swaps() ? y : x;
        int sourceY = swaps() ? x : y;
        int i =
            (mirroredY ? height - 1 - sourceY : sourceY) * width
                + (mirroredX ? width - 1 - sourceX : sourceX);
        for (int c = 0; c < bands; c++) {
          out[o * bands + c] = picture.data()[i * bands + c];
        }
        if (levels != null) {
          levels[o] = picture.levels()[i];
        }
      }
    }
    return new Bitmap(outWidth, outHeight, bands, out, picture.palette(), levels);
  }

  /** Of a JPEG file: its first EXIF segment. */
  static Orientation ofJpeg(byte[] file) {
    int at = 2;
    while (at + 10 <= file.length && (file[at] & 0xFF) == 0xFF) {
      int marker = file[at + 1] & 0xFF;
      int length = ((file[at + 2] & 0xFF) << 8) | (file[at + 3] & 0xFF);
      if (marker == 0xFF) {
        at++;
        continue;
      }
      if (marker == 0xDA || at + 2 + length > file.length) {
        return UPRIGHT;
      }
      if (marker == 0xE1 && length > 8 && Arrays.equals(EXIF, 0, 6, file, at + 4, at + 10)) {
        return of(file, at + 4, length - 2);
      }
      at += 2 + length;
    }
    return UPRIGHT;
  }

  private static final byte[] EXIF = {'E', 'x', 'i', 'f', 0, 0};
}
