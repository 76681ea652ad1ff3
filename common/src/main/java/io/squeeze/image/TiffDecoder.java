package io.squeeze.image;

import com.twelvemonkeys.imageio.plugins.tiff.TIFFImageReaderSpi;
import io.squeeze.image.BadSampleException.Code;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/** Decodes the first page of a TIFF by TwelveMonkeys' reader; profiles are ignored. */
final class TiffDecoder implements AutoCloseable {
  private static final int MIN_IS_WHITE = 0;
  private static final int MIN_IS_BLACK = 1;
  private static final int PALETTE = 3;
  private static final int INKS = 5;
  private static final int YCBCR = 6;
  private static final int JPEG = 7;
  private static final int PREMULTIPLIED = 1;

  private final ImageReader reader;
  private final ImageInputStream in;
  private final Ifd tags;
  private final int width;
  private final int height;

  TiffDecoder(byte[] bytes) throws BadSampleException {
    this.tags = Ifd.of(bytes, 0, bytes.length);
    this.reader = Library.SPI.createReaderInstance(null);
    this.in = new MemoryCacheImageInputStream(new ByteArrayInputStream(bytes));
    try {
      reader.setInput(in, true, true);
      this.width = reader.getWidth(0);
      this.height = reader.getHeight(0);
    } catch (IOException | RuntimeException e) {
      close();
      throw damaged(e);
    }
  }

  int width() {
    return width;
  }

  int height() {
    return height;
  }

  /** How the file says that it lies; PIL applies it to TIFF whatever is asked for. */
  Orientation orientation() {
    return new Orientation(tags.number(Ifd.ORIENTATION, 1));
  }

  /** The pixels as they lie in the file. */
  Bitmap decode() throws BadSampleException {
    int photometric = tags.number(Ifd.PHOTOMETRIC, MIN_IS_BLACK);
    int compression = tags.number(Ifd.COMPRESSION, 1);
    if (photometric > YCBCR
        || (photometric == YCBCR && compression != JPEG)
        || tags.number(Ifd.SAMPLE_FORMAT, 1) != 1) {
      throw unsupported("colours " + photometric + " in compression " + compression);
    }
    BufferedImage image;
    try {
      image = reader.read(0);
    } catch (IOException | RuntimeException e) {
      throw damaged(e);
    }
    Raster raster = image.getRaster();
    int bands = raster.getNumBands();
    int bits = raster.getSampleModel().getSampleSize(0);
    boolean deep = bits > 8;
    if (bits > 16
        || raster.getSampleModel().getDataType() > DataBuffer.TYPE_INT
        || bands > 4
        || (deep && photometric == MIN_IS_WHITE)) {
      throw unsupported(bands + " bands of " + bits + " bits, colours " + photometric);
    }
    byte[] out = new byte[Math.multiplyExact(width * height, bands)];
    char[] levels = deep && bands == 1 ? new char[width * height] : null;
    int[] row = new int[width * bands];
    for (int y = 0, o = 0; y < height; y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int value : row) {
        if (levels != null) {
          levels[o] = (char) value;
        }
        out[o++] = (byte) (levels != null ? Math.min(255, value) : deep ? value >> 8 : value);
      }
    }
    if (photometric == INKS) {
      return new Bitmap(width, height, 3, Inks.rgb(out, bands), null, null);
    }
    if (bands == 4 && tags.number(Ifd.EXTRA_SAMPLES, 0) == PREMULTIPLIED) {
      divide(out);
    }
    byte[] palette = palette(image.getColorModel());
    if (palette == null || photometric == PALETTE) {
      return new Bitmap(width, height, bands, out, palette, levels);
    }
    return grey(out, palette, bits);
  }

  /** Grey of few bits, whose table tells what is white: levels, or of one bit 0 and 1. */
  private Bitmap grey(byte[] out, byte[] table, int bits) {
    for (int i = 0; i < out.length; i++) {
      out[i] = table[(out[i] & 0xFF) * 3];
      if (bits == 1) {
        out[i] &= 1;
      }
    }
    return new Bitmap(width, height, 1, out, bits == 1 ? Bitmap.blackAndWhite() : null, null);
  }

  /** Takes out of colours that alpha was multiplied in. */
  private static void divide(byte[] rgba) {
    for (int i = 0; i < rgba.length; i += 4) {
      int alpha = rgba[i + 3] & 0xFF;
      for (int c = 0; c < 3; c++) {
        int value = (rgba[i + c] & 0xFF) * 255;
        rgba[i + c] = (byte) (alpha == 0 ? 0 : Math.min(255, value / alpha));
      }
    }
  }

  private static BadSampleException unsupported(String what) {
    return new BadSampleException(Code.UNSUPPORTED, "a TIFF of " + what);
  }

  private static byte[] palette(ColorModel model) {
    if (!(model instanceof IndexColorModel indexed)) {
      return null;
    }
    byte[] palette = Bitmap.ramp();
    for (int i = 0; i < Math.min(256, indexed.getMapSize()); i++) {
      palette[i * 3] = (byte) indexed.getRed(i);
      palette[i * 3 + 1] = (byte) indexed.getGreen(i);
      palette[i * 3 + 2] = (byte) indexed.getBlue(i);
    }
    return palette;
  }

  private static BadSampleException damaged(Exception e) {
    return new BadSampleException(
        e instanceof java.io.EOFException ? Code.TRUNCATED : Code.CORRUPT,
        "TIFF: " + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage()));
  }

  @Override
  public void close() {
    reader.dispose();
    try {
      in.close();
    } catch (IOException e) {
      throw new IllegalStateException("Cannot close bytes in memory", e);
    }
  }

  private static final class Library {
    static final TIFFImageReaderSpi SPI = new TIFFImageReaderSpi();
  }
}
