package io.squeeze.weights;

import io.squeeze.config.Seeds;
import io.squeeze.config.SqueezeException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.ShortBuffer;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * A tensor in the heap.
 *
 * @param bytes elements, little endian, C order
 */
public record HostTensor(ElementType type, long[] shape, byte[] bytes)
    implements TensorSource, Serializable {
  private static final long MAX_BYTES = Integer.MAX_VALUE - 8L;

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

  /** An int64 tensor of these values. */
  public static HostTensor of(long[] values, long... shape) {
    byte[] bytes = new byte[values.length * 8];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer().put(values);
    return new HostTensor(ElementType.I64, shape, bytes);
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

  /** A float32 tensor of normal numbers around 0. */
  public static HostTensor normal(SplittableRandom random, double deviation, long... shape) {
    float[] values = new float[Math.toIntExact(Arrays.stream(shape).reduce(1, (a, b) -> a * b))];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (deviation * Seeds.gaussian(random));
    }
    return of(values, shape);
  }

  /** An int64 scalar. */
  public static HostTensor scalar(long value) {
    byte[] bytes = new byte[8];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(value);
    return new HostTensor(ElementType.I64, new long[0], bytes);
  }

  /**
   * Reads a tensor into the heap.
   *
   * @throws SqueezeException of category input if it is larger than an array can be
   */
  public static HostTensor of(TensorSource source) throws IOException {
    if (source instanceof HostTensor ours) {
      return ours;
    }
    byte[] bytes = new byte[(int) byteSize(source.type(), source.shape())];
    ByteBuffer target = ByteBuffer.wrap(bytes);
    source.writeTo(
        new OutputStream() {
          @Override
          public void write(int b) {
            target.put((byte) b);
          }

          @Override
          public void write(byte[] b, int offset, int length) {
            target.put(b, offset, length);
          }
        });
    return new HostTensor(source.type(), source.shape(), bytes);
  }

  /**
   * Bytes of a tensor of this shape.
   *
   * @throws SqueezeException of category input if an array cannot be as large
   */
  static long byteSize(ElementType type, long[] shape) {
    long bytes = type.bytes();
    boolean empty = Arrays.stream(shape).anyMatch(length -> length == 0);
    for (long length : shape) {
      if (length < 0 || (!empty && length > MAX_BYTES / bytes)) {
        throw SqueezeException.input(
            "Invalid tensor of shape %s: a tensor has at most %s bytes"
                .formatted(Arrays.toString(shape), MAX_BYTES));
      }
      bytes *= empty ? 0 : length;
      if (empty) {
        return 0;
      }
    }
    return bytes;
  }

  /** The same numbers in another floating type, rounded to nearest. */
  public HostTensor as(ElementType target) {
    if (target == type) {
      return this;
    }
    float[] values = floats();
    if (target == ElementType.F32) {
      return of(values, shape);
    }
    if (target != ElementType.F16 && target != ElementType.BF16) {
      throw new IllegalArgumentException("Cannot turn " + type + " into " + target);
    }
    byte[] out = new byte[values.length * 2];
    ShortBuffer shorts = ByteBuffer.wrap(out).order(ByteOrder.LITTLE_ENDIAN).asShortBuffer();
    for (float value : values) {
      shorts.put(
          target == ElementType.F16 ? SmallFloats.toHalf(value) : SmallFloats.toBfloat16(value));
    }
    return new HostTensor(target, shape, out);
  }

  /** The bytes, little endian. */
  public ByteBuffer buffer() {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** A copy of the values of a floating tensor, as float32. */
  public float[] floats() {
    float[] values = new float[bytes.length / type.bytes()];
    switch (type) {
      case F32 -> buffer().asFloatBuffer().get(values);
      case F64 -> {
        DoubleBuffer view = buffer().asDoubleBuffer();
        for (int i = 0; i < values.length; i++) {
          values[i] = (float) view.get(i);
        }
      }
      case F16, BF16 -> {
        ShortBuffer view = buffer().asShortBuffer();
        for (int i = 0; i < values.length; i++) {
          short bits = view.get(i);
          values[i] =
              type == ElementType.F16 ? SmallFloats.fromHalf(bits) : SmallFloats.fromBfloat16(bits);
        }
      }
      default -> throw new IllegalArgumentException(type + " holds no floating numbers");
    }
    return values;
  }

  /** The values of an int64 tensor. */
  public long[] longs() {
    long[] values = new long[bytes.length / 8];
    buffer().asLongBuffer().get(values);
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
