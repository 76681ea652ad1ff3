package io.squeeze.image;

import com.twelvemonkeys.imageio.plugins.jpeg.JPEGImageReaderSpi;
import io.squeeze.config.ImageSettings;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.storage.Storage;
import java.awt.image.BufferedImage;
import java.awt.image.DataBuffer;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.NoSuchFileException;
import java.util.Iterator;
import java.util.Locale;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.event.IIOReadWarningListener;
import javax.imageio.spi.IIORegistry;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Decodes JPEG, PNG, GIF and BMP by their content to what PIL's {@code convert("RGB")} gives.
 *
 * <p>Limits are checked on the header, before pixels are allocated; a decoder's warning counts as a
 * failure, since the JDK returns half a picture for half a file. EXIF orientation is not applied,
 * as in torchvision.
 */
public final class ImageDecoder {
  private final ImageSettings limits;

  /** TwelveMonkeys' reader finds the JDK's beneath it only when it is registered. */
  private static final class Jpeg {
    static final JPEGImageReaderSpi READER = new JPEGImageReaderSpi();

    static {
      IIORegistry.getDefaultInstance().registerServiceProvider(READER);
    }
  }

  public ImageDecoder(ImageSettings limits) {
    this.limits = limits;
  }

  /** Reads a file whole, tried twice, or says why it cannot be read. */
  public byte[] read(Storage storage, String path) throws BadSampleException {
    try {
      return readOnce(storage, path);
    } catch (IOException first) {
      try {
        return readOnce(storage, path);
      } catch (FileNotFoundException | NoSuchFileException e) {
        throw new BadSampleException(Code.MISSING, "no such file: " + path);
      } catch (IOException e) {
        throw new BadSampleException(Code.IO, "cannot read " + path + ": " + e.getMessage());
      }
    }
  }

  private byte[] readOnce(Storage storage, String path) throws IOException, BadSampleException {
    try (InputStream in = storage.open(path)) {
      byte[] bytes = in.readNBytes((int) Math.min(limits.maxBytes() + 1, Integer.MAX_VALUE - 8));
      return checked(bytes, path);
    }
  }

  /**
   * The same bytes, of a file that is no larger than may be.
   *
   * @param name for the message
   */
  public byte[] checked(byte[] bytes, String name) throws BadSampleException {
    if (bytes.length > limits.maxBytes()) {
      throw new BadSampleException(
          Code.TOO_LARGE, "more than image.max-bytes = " + limits.maxBytes() + ": " + name);
    }
    return bytes;
  }

  /** Decodes a photo; grey is repeated, a palette looked up, alpha dropped, CMYK converted. */
  public RgbImage decodeRgb(byte[] file) throws BadSampleException {
    BufferedImage image = decode(file);
    int width = image.getWidth();
    int height = image.getHeight();
    byte[] out = new byte[width * height * 3];
    if (image.getColorModel() instanceof IndexColorModel) {
      for (int y = 0, o = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
          int rgb = image.getRGB(x, y);
          out[o++] = (byte) (rgb >> 16);
          out[o++] = (byte) (rgb >> 8);
          out[o++] = (byte) rgb;
        }
      }
      return new RgbImage(width, height, out);
    }
    // The raster, not getRGB: Java's grey colour space is linear and shifts levels by up to 73.
    Raster raster = eightBit(image);
    int bands = raster.getNumBands();
    int colours = bands < 3 ? 1 : 3;
    int[] row = new int[width * bands];
    for (int y = 0, o = 0; y < height; y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int x = 0; x < width; x++) {
        for (int c = 0; c < 3; c++) {
          out[o++] = (byte) row[x * bands + (colours == 1 ? 0 : c)];
        }
      }
    }
    return new RgbImage(width, height, out);
  }

  /** Decodes a mask of one band; a palette's indices are the labels. */
  public Mask decodeMask(byte[] file) throws BadSampleException {
    BufferedImage image = decode(file);
    Raster raster = eightBit(image);
    if (raster.getNumBands() != 1) {
      throw new BadSampleException(
          Code.UNSUPPORTED, "a mask has 1 band, this one " + raster.getNumBands());
    }
    int width = image.getWidth();
    int height = image.getHeight();
    int[] row = new int[width];
    byte[] out = new byte[width * height];
    for (int y = 0, o = 0; y < height; y++) {
      raster.getSamples(0, y, width, 1, 0, row);
      for (int x = 0; x < width; x++) {
        out[o++] = (byte) row[x];
      }
    }
    return new Mask(width, height, out);
  }

  private static Raster eightBit(BufferedImage image) throws BadSampleException {
    Raster raster = image.getRaster();
    for (int bits : raster.getSampleModel().getSampleSize()) {
      if (bits > 8) {
        throw new BadSampleException(
            Code.UNSUPPORTED, "images have at most 8 bits a channel, this one " + bits);
      }
    }
    if (raster.getSampleModel().getDataType() > DataBuffer.TYPE_INT) {
      throw new BadSampleException(Code.UNSUPPORTED, "pixels are not whole numbers");
    }
    return raster;
  }

  private BufferedImage decode(byte[] file) throws BadSampleException {
    ImageReader reader = reader(file);
    try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(file))) {
      reader.setInput(in, true, true);
      long width = reader.getWidth(0);
      long height = reader.getHeight(0);
      if (width * height > limits.maxPixels()) {
        throw new BadSampleException(
            Code.TOO_LARGE,
            "the header announces "
                + width
                + "x"
                + height
                + " pixels, image.max-pixels is "
                + limits.maxPixels());
      }
      String[] warning = new String[1];
      IIOReadWarningListener listener =
          (source, text) -> {
            // A colour profile that cannot be applied leaves the pixels as they are, as PIL does.
            if (!String.valueOf(text).contains("ICC")) {
              warning[0] = text;
            }
          };
      reader.addIIOReadWarningListener(listener);
      BufferedImage image = reader.read(0);
      if (warning[0] != null) {
        throw damaged(warning[0]);
      }
      return image;
    } catch (IOException | RuntimeException e) {
      // The JDK's decoders answer damage with whatever their parsing runs into.
      throw damaged(e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage());
    } finally {
      reader.dispose();
    }
  }

  private static BadSampleException damaged(String message) {
    String lower = message.toLowerCase(Locale.ROOT);
    boolean ended =
        lower.contains("truncated")
            || lower.contains("premature")
            || lower.contains("unexpected end")
            || lower.contains("eof");
    return new BadSampleException(ended ? Code.TRUNCATED : Code.CORRUPT, message);
  }

  private static ImageReader reader(byte[] file) throws BadSampleException {
    if (startsWith(file, 0xFF, 0xD8, 0xFF)) {
      try {
        return Jpeg.READER.createReaderInstance(null);
      } catch (IOException e) {
        throw new IllegalStateException("Cannot create the JPEG reader", e);
      }
    }
    String format = null;
    if (startsWith(file, 0x89, 'P', 'N', 'G')) {
      format = "png";
    } else if (startsWith(file, 'G', 'I', 'F', '8')) {
      format = "gif";
    } else if (startsWith(file, 'B', 'M')) {
      format = "bmp";
    }
    Iterator<ImageReader> readers =
        format == null ? null : ImageIO.getImageReadersByFormatName(format);
    if (readers == null || !readers.hasNext()) {
      throw new BadSampleException(
          Code.NOT_AN_IMAGE,
          file.length == 0 ? "the file is empty" : "the content is not JPEG, PNG, GIF or BMP");
    }
    return readers.next();
  }

  private static boolean startsWith(byte[] file, int... magic) {
    if (file.length < magic.length) {
      return false;
    }
    for (int i = 0; i < magic.length; i++) {
      if ((file[i] & 0xFF) != magic[i]) {
        return false;
      }
    }
    return true;
  }
}
