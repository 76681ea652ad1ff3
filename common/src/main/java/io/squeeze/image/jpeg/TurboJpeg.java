package io.squeeze.image.jpeg;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import io.squeeze.image.PixelRows;
import io.squeeze.image.Region;
import java.nio.ByteBuffer;
import java.util.stream.Stream;

/**
 * libjpeg-turbo, where the machine has its TurboJPEG library (Debian's {@code libturbojpeg0}, Red
 * Hat's {@code turbojpeg}): the pixels of {@link JpegDecoder} in less time.
 */
public final class TurboJpeg {
  /** The system property that says {@code off} where the library is not to be used. */
  public static final String PROPERTY = "squeeze.turbojpeg";

  private static final int RGB = 0;
  private static final int ACCURATE_DCT = 4096;
  private static final int STOP_ON_WARNING = 8192;

  private static final int MOST_KEPT = 8 << 20;
  private static final ThreadLocal<ByteBuffer> BUFFER = new ThreadLocal<>();

  /** The library's file; null where there is none. */
  private static final String FOUND = load();

  private TurboJpeg() {}

  private static String load() {
    if ("off".equals(System.getProperty(PROPERTY))) {
      return null;
    }
    return Stream.of("libturbojpeg.so.0", "turbojpeg")
        .filter(TurboJpeg::links)
        .findFirst()
        .orElse(null);
  }

  /** Whether a library is there and fits; without one, the decoder in Java does it. */
  private static boolean links(String name) {
    try {
      Native.register(TurboJpeg.class, NativeLibrary.getInstance(name));
      return true;
    } catch (LinkageError e) {
      return false;
    }
  }

  public static boolean found() {
    return FOUND != null;
  }

  /** The library's name; null where there is none. */
  public static String name() {
    return FOUND;
  }

  /**
   * Decodes a file that {@link JpegDecoder} has found to be plain.
   *
   * @param width of the picture as it is scaled down
   * @param height the same
   * @return false if libjpeg warns or refuses. Then the target got no row, and the decoder in Java
   *     must judge the file
   */
  static boolean decode(byte[] file, int width, int height, Region wanted, PixelRows target) {
    int bytes = Math.multiplyExact(width * 3, height);
    if (bytes <= MOST_KEPT) {
      return decode(file, width, height, kept(bytes), wanted, target);
    }
    // Given back at once: the garbage collector does not see what is outside the heap.
    try (Memory memory = new Memory(bytes)) {
      return decode(file, width, height, memory.getByteBuffer(0, bytes), wanted, target);
    }
  }

  private static boolean decode(
      byte[] file, int width, int height, ByteBuffer out, Region wanted, PixelRows target) {
    Pointer handle = tjInitDecompress();
    if (handle == null) {
      return false;
    }
    try {
      int stride = width * 3;
      int flags = ACCURATE_DCT | STOP_ON_WARNING;
      NativeLong size = new NativeLong(file.length);
      if (tjDecompress2(handle, file, size, out, width, stride, height, RGB, flags) != 0) {
        return false;
      }
      byte[] row = new byte[stride];
      for (int y = wanted.top(); y < wanted.bottom(); y++) {
        int from = wanted.left() * 3;
        out.get(y * stride + from, row, from, wanted.right() * 3 - from);
        target.row(y, row, 0);
      }
      return true;
    } finally {
      tjDestroy(handle);
    }
  }

  /** Memory outside the heap that stays with the thread, for photos of usual sizes. */
  private static ByteBuffer kept(int bytes) {
    ByteBuffer own = BUFFER.get();
    if (own == null || own.capacity() < bytes) {
      own = ByteBuffer.allocateDirect(bytes);
      BUFFER.set(own);
    }
    return own;
  }

  private static native Pointer tjInitDecompress();

  private static native int tjDecompress2(
      Pointer handle,
      byte[] file,
      NativeLong size,
      ByteBuffer out,
      int width,
      int pitch,
      int height,
      int format,
      int flags);

  private static native int tjDestroy(Pointer handle);
}
