package io.squeeze.weights;

import io.squeeze.config.SqueezeException;
import io.squeeze.storage.RandomReader;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;

/** A tensor that lies in a file, maybe as a strided view of a storage; read when it is written. */
final class FileTensor implements TensorSource {
  private static final int CHUNK = 1 << 20;

  private final RandomReader file;
  private final long position;
  private final ElementType type;
  private final long[] shape;
  private final long[] strides;

  private FileTensor(
      RandomReader file, long position, ElementType type, long[] shape, long[] strides) {
    this.file = file;
    this.position = position;
    this.type = type;
    this.shape = shape;
    this.strides = strides;
  }

  /**
   * A view of a storage whose bytes begin at {@code position}.
   *
   * @param name for messages
   * @param elements of the storage
   * @param offset of the view's first element
   * @param strides of the view, in elements
   * @throws SqueezeException of category input if the view leaves the storage, or repeats it
   */
  static FileTensor view(
      String name,
      RandomReader file,
      long position,
      ElementType type,
      long elements,
      long offset,
      long[] shape,
      long[] strides) {
    if (shape.length != strides.length || shape.length > Unpickler.MAX_RANK) {
      throw invalid(name, shape, strides, "its shape and strides do not fit together");
    }
    long last = offset;
    long product = 1;
    boolean empty = Arrays.stream(shape).anyMatch(length -> length == 0);
    for (int i = 0; i < shape.length; i++) {
      if (shape[i] < 0 || strides[i] < 0) {
        throw invalid(name, shape, strides, "a length or stride is negative");
      }
      if (!empty) {
        try {
          last = Math.addExact(last, Math.multiplyExact(shape[i] - 1, strides[i]));
          product = Math.multiplyExact(product, shape[i]);
        } catch (ArithmeticException e) {
          throw invalid(name, shape, strides, "its size overflows");
        }
      }
    }
    if (offset < 0 || (!empty && (last >= elements || product > elements))) {
      throw invalid(
          name,
          shape,
          strides,
          "with offset " + offset + " it does not fit its storage of " + elements + " elements");
    }
    HostTensor.byteSize(type, shape);
    if (!empty) {
      // A view with gaps is read with them.
      HostTensor.byteSize(type, new long[] {last - offset + 1});
    }
    return new FileTensor(file, position + offset * type.bytes(), type, shape, strides);
  }

  /** A tensor whose bytes lie one after the other from {@code position} on. */
  static FileTensor contiguous(RandomReader file, long position, ElementType type, long[] shape) {
    return new FileTensor(file, position, type, shape, TensorSource.contiguousStrides(shape));
  }

  private static SqueezeException invalid(
      String name, long[] shape, long[] strides, String reason) {
    return SqueezeException.input(
        "Invalid tensor %s of shape %s and strides %s: %s"
            .formatted(name, Arrays.toString(shape), Arrays.toString(strides), reason));
  }

  @Override
  public ElementType type() {
    return type;
  }

  @Override
  public long[] shape() {
    return shape;
  }

  @Override
  public void writeTo(OutputStream out) throws IOException {
    long elements = elements();
    if (elements == 0) {
      return;
    }
    if (isContiguous()) {
      copy(elements * type.bytes(), out);
      return;
    }
    long span = 1;
    for (int i = 0; i < shape.length; i++) {
      span += (shape[i] - 1) * strides[i];
    }
    byte[] source = new byte[Math.toIntExact(span * type.bytes())];
    file.readFully(position, source, 0, source.length);
    gather(source, 0, 0, out);
  }

  private void copy(long bytes, OutputStream out) throws IOException {
    byte[] chunk = new byte[(int) Math.min(CHUNK, bytes)];
    for (long done = 0; done < bytes; done += chunk.length) {
      int length = (int) Math.min(chunk.length, bytes - done);
      file.readFully(position + done, chunk, 0, length);
      out.write(chunk, 0, length);
    }
  }

  private void gather(byte[] source, int dimension, long element, OutputStream out)
      throws IOException {
    if (dimension == shape.length) {
      out.write(source, (int) element * type.bytes(), type.bytes());
      return;
    }
    for (long i = 0; i < shape[dimension]; i++) {
      gather(source, dimension + 1, element + i * strides[dimension], out);
    }
  }

  private boolean isContiguous() {
    long[] dense = TensorSource.contiguousStrides(shape);
    for (int i = 0; i < shape.length; i++) {
      if (shape[i] != 1 && strides[i] != dense[i]) {
        return false;
      }
    }
    return true;
  }
}
