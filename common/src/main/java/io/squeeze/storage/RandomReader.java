package io.squeeze.storage;

import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Reads a file at any position. Not for several threads at once. */
public interface RandomReader extends Closeable {

  /** Length of the file in bytes. */
  long length();

  /**
   * Fills {@code target[offset, offset + length)} with the bytes from a position on.
   *
   * @throws EOFException if the file ends before
   */
  void readFully(long position, byte[] target, int offset, int length) throws IOException;

  /** Opens a file of the local disk. */
  static RandomReader local(Path path) throws IOException {
    FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
    long size = channel.size();
    return new RandomReader() {
      @Override
      public long length() {
        return size;
      }

      @Override
      public void readFully(long position, byte[] target, int offset, int length)
          throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(target, offset, length);
        while (buffer.hasRemaining()) {
          int read = channel.read(buffer, position + length - buffer.remaining());
          if (read < 0) {
            throw new EOFException("Unexpected end of " + path);
          }
        }
      }

      @Override
      public void close() throws IOException {
        channel.close();
      }
    };
  }
}
