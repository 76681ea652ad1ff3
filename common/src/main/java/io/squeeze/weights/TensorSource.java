package io.squeeze.weights;

import java.io.IOException;
import java.io.OutputStream;

/** A tensor that can write itself, so that an archive of gigabytes needs no copy of them. */
public interface TensorSource {

  ElementType type();

  long[] shape();

  /** Writes all elements, little endian, C order. */
  void writeTo(OutputStream out) throws IOException;

  /** Number of elements; 1 for a scalar. */
  default long elements() {
    long product = 1;
    for (long length : shape()) {
      product = Math.multiplyExact(product, length);
    }
    return product;
  }
}
