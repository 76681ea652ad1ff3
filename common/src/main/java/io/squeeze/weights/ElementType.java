package io.squeeze.weights;

/** The element types that we read and write; torch's JNI layer ends the JVM on others. */
public enum ElementType {
  F32("F32", "FloatStorage", 4),
  I64("I64", "LongStorage", 8);

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
}
