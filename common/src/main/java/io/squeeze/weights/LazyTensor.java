package io.squeeze.weights;

import java.io.IOException;
import java.io.OutputStream;

/** A tensor that is made only while it is written, so that one at a time is in memory. */
public record LazyTensor(ElementType type, long[] shape, Maker maker) implements TensorSource {

  /** Makes the tensor, of the type and shape that were promised. */
  public interface Maker {
    HostTensor make() throws IOException;
  }

  @Override
  public void writeTo(OutputStream out) throws IOException {
    maker.make().writeTo(out);
  }
}
