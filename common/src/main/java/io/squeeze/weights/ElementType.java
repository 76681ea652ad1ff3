package io.squeeze.weights;

/**
 * The element types of tensors in files. torch's JNI layer ends the JVM on those that it does not
 * know, so what goes there is chosen from this list and nothing else.
 */
public enum ElementType {
  F64("F64", "DoubleStorage", 8),
  F32("F32", "FloatStorage", 4),
  F16("F16", "HalfStorage", 2),
  BF16("BF16", "BFloat16Storage", 2),
  I64("I64", "LongStorage", 8),
  I32("I32", "IntStorage", 4),
  I16("I16", "ShortStorage", 2),
  I8("I8", "CharStorage", 1),
  U8("U8", "ByteStorage", 1),
  BOOL("BOOL", "BoolStorage", 1);

  private final String safetensors;
  private final String storage;
  private final int bytes;

  ElementType(String safetensors, String storage, int bytes) {
    this.safetensors = safetensors;
    this.storage = storage;
    this.bytes = bytes;
  }

  /** The name in a safetensors header. */
  public String safetensors() {
    return safetensors;
  }

  /** The name of torch's storage class in a pickle. */
  public String storage() {
    return storage;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }

  /** Whether elements are numbers with a fraction. */
  public boolean isFloat() {
    return this == F64 || this == F32 || this == F16 || this == BF16;
  }
}
