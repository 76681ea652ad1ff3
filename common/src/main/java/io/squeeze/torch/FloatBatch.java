package io.squeeze.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.function.Consumer;

/**
 * Native memory for batches of float32 samples, one batch after the other. New memory for each
 * would cost more than filling it: the system hands it out page by page, zeroed.
 */
public final class FloatBatch {
  private final Shape sample;
  private final NDArray array;
  private final ByteBuffer staged;

  /**
   * Memory that {@code manager} keeps.
   *
   * @param most samples of a batch
   * @param sample shape of one
   */
  public FloatBatch(NDManager manager, int most, Shape sample) {
    this.sample = sample;
    Shape shape = new Shape(most).addAll(sample);
    boolean gpu = manager.getDevice().isGpu();
    this.array = gpu ? null : manager.create(shape, DataType.FLOAT32);
    this.staged = gpu ? manager.allocateDirect(Math.toIntExact(shape.size() * Float.BYTES)) : null;
  }

  /**
   * The next batch, [count, ...]; on the CPU the one before is overwritten.
   *
   * @param scope keeps the array
   * @param fill puts the samples, one behind the other
   */
  public NDArray fill(NDManager scope, int count, Consumer<FloatBuffer> fill) {
    if (array != null) {
      fill.accept(Torch.view(array).asFloatBuffer());
      NDArray part = array.get("0:" + count);
      part.attach(scope);
      return part;
    }
    Shape shape = new Shape(count).addAll(sample);
    ByteBuffer part = staged.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    part.limit(Math.toIntExact(shape.size() * Float.BYTES));
    fill.accept(part.asFloatBuffer());
    return scope.create(part, shape, DataType.FLOAT32);
  }
}
