package io.squeeze.image;

import io.squeeze.config.ImageSettings;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.image.jpeg.JpegDecoder;
import io.squeeze.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;

/**
 * Decodes JPEG, PNG, GIF, BMP, WebP and TIFF by their content to what PIL's {@code convert("RGB")}
 * gives, to the bit: colour profiles are ignored in every format.
 *
 * <p>Limits are checked on the header, before pixels are allocated. EXIF orientation is applied
 * where {@code image.exif-orientation} asks for it (PIL applies TIFF's in any case).
 */
public final class ImageDecoder {
  /** Work of needless scans that is still done, in blocks: about half a second. */
  private static final long MOST_EXCESS_BLOCKS = 1 << 25;

  /**
   * Number of pixels that any file may announce. For more, a file must have enough bytes, which a
   * decompression bomb does not have.
   */
  private static final long ANY_PIXELS = 1 << 24;

  private static final long PIXELS_A_BYTE = 1 << 14;

  static final String UNFORESEEN = "the decoder did not foresee this: ";

  private static final String[] TIFF_MAGIC = {"II*\0", "MM\0*", "II+\0", "MM\0+"};

  /** First bytes of other formats, and their names. */
  private static final String[] OTHERS = {
    "\u00FF\n", "JPEG XL",
    "\0\0\0\fJXL ", "JPEG XL",
    "\0\0\0\fjP  ", "JPEG 2000",
    "\u00FFO\u00FFQ", "JPEG 2000",
    "8BPS", "PSD",
    "%PDF", "PDF",
    "\0\0\1\0", "ICO"
  };

  private final ImageSettings limits;

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
    int most = (int) Math.min(limits.maxBytes() + 1, Integer.MAX_VALUE - 8);
    return checked(storage.bytes(path, most), path);
  }

  /**
   * Returns the bytes of a file, if it is not larger than the limit.
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

  /** Decodes a photo: grey is repeated, a palette looked up, alpha dropped, CMYK converted. */
  public RgbImage decodeRgb(byte[] file) throws BadSampleException {
    return guarded(() -> rgb(file));
  }

  private RgbImage rgb(byte[] file) throws BadSampleException {
    if (format(file) != Format.JPEG) {
      return bitmap(file).rgb();
    }
    JpegDecoder jpeg = jpeg(file);
    RgbImage image = RgbImage.black(jpeg.width(), jpeg.height());
    jpeg.decode(Region.of(jpeg.width(), jpeg.height()), 1, image.filled());
    return turned(Bitmap.of(image), Orientation.ofJpeg(file)).rgb();
  }

  /**
   * Decodes what a crop needs of a photo, scaled down where {@code image.decode} says so, crops and
   * normalises it.
   *
   * @param planes filled with float32 [3, size, size]
   */
  public Photo decodePhoto(byte[] file, Preprocessing crop, float[] planes)
      throws BadSampleException {
    return guarded(() -> photo(file, crop, planes));
  }

  private Photo photo(byte[] file, Preprocessing crop, float[] planes) throws BadSampleException {
    if (format(file) != Format.JPEG
        || (limits.applyOrientation() && !Orientation.ofJpeg(file).upright())) {
      return decodeUnscaled(file, crop, planes);
    }
    JpegDecoder jpeg = jpeg(file);
    int denominator = limits.scaledDecoding() ? crop.reduction(jpeg.width(), jpeg.height()) : 1;
    int width = (jpeg.width() + denominator - 1) / denominator;
    int height = (jpeg.height() + denominator - 1) / denominator;
    SquareCrop.Rows rows = crop.into(planes, width, height);
    jpeg.decode(rows.region(), denominator, rows);
    return new Photo(jpeg.width(), jpeg.height(), denominator, jpeg.warning());
  }

  /** The same, in full whatever {@code image.decode} says. */
  public Photo decodeUnscaled(byte[] file, Preprocessing crop, float[] planes)
      throws BadSampleException {
    RgbImage image = decodeRgb(file);
    int width = image.width();
    int height = image.height();
    SquareCrop.Rows rows = crop.into(planes, width, height);
    image.rows(rows.region(), rows);
    return new Photo(width, height, 1, null);
  }

  /** The decoder of a JPEG whose limits are kept. */
  private JpegDecoder jpeg(byte[] file) throws BadSampleException {
    JpegDecoder jpeg = new JpegDecoder(file);
    checkPixels(jpeg.width(), jpeg.height(), file.length);
    if (jpeg.excessBlocks() > MOST_EXCESS_BLOCKS) {
      throw new BadSampleException(
          Code.TOO_LARGE, "the JPEG has more scans than a photo of its size can need");
    }
    return jpeg;
  }

  /** Decodes a mask of one value a pixel; a palette's indices are the labels. */
  public Mask decodeMask(byte[] file) throws BadSampleException {
    return decodeMask(file, 0);
  }

  /**
   * The same of values of 16 bits.
   *
   * @param reduce divides the values that are as large or larger; 0: none
   */
  public Mask decodeMask(byte[] file, int reduce) throws BadSampleException {
    return guarded(
        () -> (format(file) == Format.JPEG ? Bitmap.of(rgb(file)) : bitmap(file)).labels(reduce));
  }

  /** A try to decode a file. */
  private interface Attempt<T> {
    T run() throws BadSampleException;
  }

  /** Rejects the file if a decoder has a defect, so that the defect does not end the job. */
  private static <T> T guarded(Attempt<T> attempt) throws BadSampleException {
    try {
      return attempt.run();
    } catch (SqueezeException e) {
      throw e;
    } catch (RuntimeException e) {
      throw new BadSampleException(Code.CORRUPT, UNFORESEEN + e);
    }
  }

  /** Decodes any format but JPEG. */
  private Bitmap bitmap(byte[] file) throws BadSampleException {
    switch (format(file)) {
      case PNG -> {
        PngDecoder png = new PngDecoder(file);
        checkPixels(png.width(), png.height(), file.length);
        return turned(png.decode(), png.orientation());
      }
      case GIF -> {
        GifDecoder gif = new GifDecoder(file);
        checkPixels(gif.width(), gif.height(), file.length);
        return gif.decode();
      }
      case BMP -> {
        BmpDecoder bmp = new BmpDecoder(file);
        checkPixels(bmp.width(), bmp.height(), file.length);
        return bmp.decode();
      }
      case WEBP -> {
        WebpDecoder webp = new WebpDecoder(file);
        checkPixels(webp.width(), webp.height(), file.length);
        return turned(Bitmap.of(webp.decode()), webp.orientation());
      }
      case TIFF -> {
        try (TiffDecoder tiff = new TiffDecoder(file)) {
          checkPixels(tiff.width(), tiff.height(), file.length);
          return tiff.orientation().apply(tiff.decode());
        }
      }
      default -> throw new IllegalStateException("Not a bitmap");
    }
  }

  private Bitmap turned(Bitmap bitmap, Orientation orientation) {
    return limits.applyOrientation() ? orientation.apply(bitmap) : bitmap;
  }

  private void checkPixels(int width, int height, int bytes) throws BadSampleException {
    long pixels = (long) width * height;
    if (pixels > limits.maxPixels()) {
      throw new BadSampleException(
          Code.TOO_LARGE,
          "the header announces %sx%s pixels, image.max-pixels is %s"
              .formatted(width, height, limits.maxPixels()));
    }
    if (pixels > ANY_PIXELS && pixels / bytes > PIXELS_A_BYTE) {
      throw new BadSampleException(
          Code.TOO_LARGE,
          "the header announces " + width + "x" + height + " pixels in " + bytes + " bytes");
    }
  }

  private enum Format {
    JPEG,
    PNG,
    GIF,
    BMP,
    WEBP,
    TIFF
  }

  /** The format by the first bytes; formats that are not decoded are told by name. */
  private static Format format(byte[] file) throws BadSampleException {
    if (startsWith(file, 0, "\u00FF\u00D8\u00FF")) {
      return Format.JPEG;
    }
    if (startsWith(file, 0, "\u0089PNG\r\n\u001A\n")) {
      return Format.PNG;
    }
    if (startsWith(file, 0, "GIF87a") || startsWith(file, 0, "GIF89a")) {
      return Format.GIF;
    }
    if (startsWith(file, 0, "BM")) {
      return Format.BMP;
    }
    if (startsWith(file, 0, "RIFF") && startsWith(file, 8, "WEBP")) {
      return Format.WEBP;
    }
    for (String magic : TIFF_MAGIC) {
      if (startsWith(file, 0, magic)) {
        return Format.TIFF;
      }
    }
    String other = otherFormat(file);
    if (other != null) {
      throw new BadSampleException(
          Code.UNSUPPORTED,
          other + " is not decoded: convert the file to JPEG, PNG, WebP or TIFF first");
    }
    throw new BadSampleException(
        Code.NOT_AN_IMAGE,
        file.length == 0
            ? "the file is empty"
            : "the content is not JPEG, PNG, GIF, BMP, WebP or TIFF");
  }

  /** The name of a format of pictures that cannot be decoded; null for anything else. */
  private static String otherFormat(byte[] file) {
    if (startsWith(file, 4, "ftyp") && file.length >= 12) {
      String brand = new String(file, 8, 4, StandardCharsets.ISO_8859_1);
      return switch (brand) {
        case "avif", "avis" -> "AVIF";
        case "heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1" ->
            compatible(file, "avif") ? "AVIF" : "HEIC";
        default -> null;
      };
    }
    for (int i = 0; i < OTHERS.length; i += 2) {
      if (startsWith(file, 0, OTHERS[i])) {
        return OTHERS[i + 1];
      }
    }
    return null;
  }

  /** Whether an ISO media file lists a brand that it can be read as. */
  private static boolean compatible(byte[] file, String brand) {
    int end = Math.min(file.length, ByteBuffer.wrap(file).getInt());
    for (int at = 16; at + 4 <= end; at += 4) {
      if (startsWith(file, at, brand)) {
        return true;
      }
    }
    return false;
  }

  private static boolean startsWith(byte[] file, int at, String magic) {
    if (file.length < at + magic.length()) {
      return false;
    }
    for (int i = 0; i < magic.length(); i++) {
      if ((file[at + i] & 0xFF) != magic.charAt(i)) {
        return false;
      }
    }
    return true;
  }
}
