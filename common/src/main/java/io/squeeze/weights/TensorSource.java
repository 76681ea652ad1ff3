package io.squeeze.weights;

import java.io.IOException;
import java.io.OutputStream;

/** A tensor that can write itself, so that an archive of gigabytes needs no copy of them. */
public interface TensorSource {

  ElementType type();

  long[] shape();

  /** Writes all elements, little endian, C order. */
  void writeTo(OutputStream out) throws IOException;

  /** Elements from one to the next in each dimension, in C order without gaps. */
  static long[] contiguousStrides(long[] shape) {
    long[] strides = new long[shape.length];
    long stride = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      strides[i] = stride;
      stride *= Math.max(1, shape[i]);
    }
    return strides;
  }

  /** Number of elements; 1 for a scalar. */
  default long elements() {
    long product = 1;
    for (long length : shape()) {
      product = Math.multiplyExact(product, length);
    }
    return product;
  }
}
