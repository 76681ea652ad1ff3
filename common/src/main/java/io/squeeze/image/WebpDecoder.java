package io.squeeze.image;

import com.luciad.imageio.webp.WebPImageReaderSpi;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.BadSampleException.Code;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/** Decodes WebP by Google's libwebp, which a library brings along; the first frame of several. */
final class WebpDecoder {
  private static final int VP8X = 0x58385056;
  private static final int VP8 = 0x20385056;
  private static final int VP8L = 0x4C385056;
  private static final int ALPH = 0x48504C41;
  private static final int ANMF = 0x464D4E41;
  private static final int EXIF = 0x46495845;

  private final ByteBuffer file;
  private final int width;
  private final int height;

  /** Where the first frame of an animation lies on the canvas, and its chunks; else null. */
  private Region frame;

  private int framesChunks;
  private int framesEnd;
  private Orientation orientation = Orientation.UPRIGHT;

  /** Reads the chunks' headers. */
  WebpDecoder(byte[] bytes) throws BadSampleException {
    this.file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    int end = 8 + file.getInt(4);
    if (end < 12 || end > bytes.length) {
      throw truncated();
    }
    int[] canvas = null;
    int[] picture = null;
    for (int at = 12; at <= end - 8; at = next(at)) {
      int length = file.getInt(at + 4);
      if (length < 0 || length > end - at - 8) {
        throw truncated();
      }
      switch (file.getInt(at)) {
        case VP8X -> canvas = length < 10 ? null : sides(at + 12);
        case VP8, VP8L -> picture = picture == null ? pictureSides(at, length) : picture;
        case ANMF -> {
          if (frame == null && length >= 16) {
            int left = 2 * medium(at + 8);
            int top = 2 * medium(at + 11);
            int[] sides = sides(at + 14);
            frame = new Region(left, top, left + sides[0], top + sides[1]);
            framesChunks = at + 24;
            framesEnd = at + 8 + length;
          }
        }
        case EXIF -> orientation = Orientation.of(bytes, at + 8, length);
        default -> {}
      }
    }
    int[] sides = canvas != null ? canvas : picture;
    if (sides == null || (frame == null && picture == null)) {
      throw new BadSampleException(Code.CORRUPT, "a WebP without a picture");
    }
    this.width = sides[0];
    this.height = sides[1];
    int[] announced = frame == null ? sides : new int[] {width(frame), height(frame)};
    int[] held = frame == null ? picture : pictureSides();
    if (!Arrays.equals(announced, held)) {
      throw new BadSampleException(
          Code.CORRUPT, "a WebP picture has other sides than its file announces");
    }
    if (frame != null && (frame.right() > width || frame.bottom() > height)) {
      throw new BadSampleException(Code.CORRUPT, "a WebP frame reaches over its canvas");
    }
  }

  private int next(int at) {
    return at + 8 + file.getInt(at + 4) + (file.getInt(at + 4) & 1);
  }

  private int medium(int at) {
    return (file.getShort(at) & 0xFFFF) | ((file.get(at + 2) & 0xFF) << 16);
  }

  private int[] sides(int at) {
    return new int[] {medium(at) + 1, medium(at + 3) + 1};
  }

  private int[] pictureSides(int at, int length) throws BadSampleException {
    if (length < 10) {
      throw truncated();
    }
    if (file.getInt(at) == VP8) {
      return new int[] {file.getShort(at + 14) & 0x3FFF, file.getShort(at + 16) & 0x3FFF};
    }
    int bits = file.getInt(at + 9);
    return new int[] {(bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1};
  }

  private static int width(Region region) {
    return region.right() - region.left();
  }

  private static int height(Region region) {
    return region.bottom() - region.top();
  }

  /** Sides of the picture in the first frame; null where there is none. */
  private int[] pictureSides() throws BadSampleException {
    for (int at = framesChunks; at <= framesEnd - 8; at = next(at)) {
      int length = file.getInt(at + 4);
      if (length < 0 || length > framesEnd - at - 8) {
        throw truncated();
      }
      if (file.getInt(at) == VP8 || file.getInt(at) == VP8L) {
        return pictureSides(at, length);
      }
    }
    return null;
  }

  int width() {
    return width;
  }

  int height() {
    return height;
  }

  Orientation orientation() {
    return orientation;
  }

  /** The canvas, black where the first frame leaves it. */
  RgbImage decode() throws BadSampleException {
    if (frame == null) {
      return decode(file.array());
    }
    RgbImage part = decode(alone());
    byte[] canvas = new byte[Math.multiplyExact(width * height, 3)];
    for (int y = 0; y < part.height(); y++) {
      int to = ((frame.top() + y) * width + frame.left()) * 3;
      System.arraycopy(part.data(), y * part.width() * 3, canvas, to, part.width() * 3);
    }
    return new RgbImage(width, height, canvas);
  }

  /** The first frame as a file of its own. */
  private byte[] alone() {
    ByteArrayOutputStream chunks = new ByteArrayOutputStream();
    ByteBuffer head = ByteBuffer.allocate(18).order(ByteOrder.LITTLE_ENDIAN);
    head.putInt(VP8X).putInt(10).putInt(file.getInt(framesChunks) == ALPH ? 0x10 : 0);
    for (int side : new int[] {width(frame), height(frame)}) {
      head.putShort((short) (side - 1)).put((byte) ((side - 1) >> 16));
    }
    chunks.writeBytes(head.array());
    chunks.write(file.array(), framesChunks, framesEnd - framesChunks);
    ByteBuffer whole = ByteBuffer.allocate(12 + chunks.size()).order(ByteOrder.LITTLE_ENDIAN);
    whole.put(new byte[] {'R', 'I', 'F', 'F'}).putInt(4 + chunks.size());
    whole.put(new byte[] {'W', 'E', 'B', 'P'}).put(chunks.toByteArray());
    return whole.array();
  }

  private static RgbImage decode(byte[] simple) throws BadSampleException {
    ImageReader reader = Library.SPI.createReaderInstance(null);
    try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(simple))) {
      reader.setInput(in, true, true);
      BufferedImage image = reader.read(0);
      int width = image.getWidth();
      int height = image.getHeight();
      byte[] out = new byte[Math.multiplyExact(width * height, 3)];
      int[] row = new int[width];
      for (int y = 0, o = 0; y < height; y++) {
        image.getRaster().getDataElements(0, y, width, 1, row);
        for (int pixel : row) {
          out[o++] = (byte) (pixel >> 16);
          out[o++] = (byte) (pixel >> 8);
          out[o++] = (byte) pixel;
        }
      }
      return new RgbImage(width, height, out);
    } catch (IOException | RuntimeException e) {
      throw new BadSampleException(
          Code.CORRUPT, "libwebp: " + (e.getMessage() == null ? e : e.getMessage()));
    } catch (OutOfMemoryError e) {
      if (e.getMessage() != null) {
        throw e;
      }
      // Thrown by the library itself: damaged files ask libwebp for more than there can be.
      throw new BadSampleException(Code.CORRUPT, "libwebp runs out of memory over this file");
    } catch (LinkageError e) {
      throw SqueezeException.resource(
          "Cannot load libwebp, which decodes WebP photos ("
              + e.getMessage()
              + "): the folder"
              + " java.io.tmpdir must allow execution",
          e);
    } finally {
      reader.dispose();
    }
  }

  /** Made when the first WebP comes. */
  private static final class Library {
    static final WebPImageReaderSpi SPI = new WebPImageReaderSpi();
  }

  private static BadSampleException truncated() {
    return new BadSampleException(Code.TRUNCATED, "the WebP is shorter than it announces");
  }
}
