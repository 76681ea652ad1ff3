package io.squeeze.weights;

import java.io.IOException;
import java.io.OutputStream;
import java.util.function.Supplier;

/** A float32 tensor that is made only while it is written, so that one at a time is in memory. */
public record LazyTensor(long[] shape, Supplier<HostTensor> maker) implements TensorSource {

  @Override
  public ElementType type() {
    return ElementType.F32;
  }

  @Override
  public void writeTo(OutputStream out) throws IOException {
    maker.get().writeTo(out);
  }
}
