package io.squeeze.track;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** A message in the wire format of Protocol Buffers, field by field. */
final class Proto {
  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED32 = 5;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  private Proto tag(int field, int wire) {
    raw(((long) field << 3) | wire);
    return this;
  }

  private Proto raw(long value) {
    long rest = value;
    while ((rest & ~0x7FL) != 0) {
      out.write((int) ((rest & 0x7F) | 0x80));
      rest >>>= 7;
    }
    out.write((int) rest);
    return this;
  }

  private Proto little(int bytes, long bits) {
    for (int i = 0; i < bytes; i++) {
      out.write((int) (bits >>> (8 * i)));
    }
    return this;
  }

  Proto integer(int field, long value) {
    return tag(field, VARINT).raw(value);
  }

  Proto number(int field, double value) {
    return tag(field, FIXED64).little(Double.BYTES, Double.doubleToLongBits(value));
  }

  Proto number(int field, float value) {
    return tag(field, FIXED32).little(Float.BYTES, Float.floatToIntBits(value));
  }

  /** A packed repeated field. */
  Proto numbers(int field, double[] values) {
    ByteBuffer packed =
        ByteBuffer.allocate(values.length * Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    packed.asDoubleBuffer().put(values);
    return bytes(field, packed.array());
  }

  Proto text(int field, String value) {
    return bytes(field, value.getBytes(StandardCharsets.UTF_8));
  }

  Proto message(int field, Proto value) {
    return bytes(field, value.bytes());
  }

  Proto bytes(int field, byte[] value) {
    tag(field, BYTES).raw(value.length);
    out.writeBytes(value);
    return this;
  }

  byte[] bytes() {
    return out.toByteArray();
  }
}
