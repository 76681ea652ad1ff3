package io.squeeze.weights;

import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * A tensor in the heap.
 *
 * @param bytes elements, little endian, C order
 */
public record HostTensor(ElementType type, long[] shape, byte[] bytes)
    implements TensorSource, Serializable {
  public HostTensor {
    long elements = 1;
    for (long length : shape) {
      elements = Math.multiplyExact(elements, length);
    }
    if (elements * type.bytes() != bytes.length) {
      throw new IllegalArgumentException(
          "Invalid tensor: " + bytes.length + " bytes for " + type + " " + Arrays.toString(shape));
    }
  }

  /** A float32 tensor of these values. */
  public static HostTensor of(float[] values, long... shape) {
    byte[] bytes = new byte[values.length * 4];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(values);
    return new HostTensor(ElementType.F32, shape, bytes);
  }

  /** A float32 tensor full of one value. */
  public static HostTensor full(float value, long... shape) {
    float[] values = new float[Math.toIntExact(Arrays.stream(shape).reduce(1, (a, b) -> a * b))];
    Arrays.fill(values, value);
    return of(values, shape);
  }

  /** A float32 tensor of uniform numbers in [-bound, bound). */
  public static HostTensor uniform(SplittableRandom random, double bound, long... shape) {
    float[] values = new float[Math.toIntExact(Arrays.stream(shape).reduce(1, (a, b) -> a * b))];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble(-bound, bound);
    }
    return of(values, shape);
  }

  /** An int64 scalar. */
  public static HostTensor scalar(long value) {
    byte[] bytes = new byte[8];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(value);
    return new HostTensor(ElementType.I64, new long[0], bytes);
  }

  /** The bytes, little endian. */
  public ByteBuffer buffer() {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** A copy of the values of a float32 tensor. */
  public float[] floats() {
    FloatBuffer view = buffer().asFloatBuffer();
    float[] values = new float[view.remaining()];
    view.get(values);
    return values;
  }

  /** The value of an int64 scalar. */
  public long longValue() {
    return buffer().getLong(0);
  }

  @Override
  public void writeTo(OutputStream out) throws IOException {
    out.write(bytes);
  }
}
