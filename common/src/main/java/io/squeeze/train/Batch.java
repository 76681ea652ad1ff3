package io.squeeze.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.squeeze.torch.Torch;
import java.io.Serializable;
import java.util.List;

/**
 * Examples in native memory.
 *
 * @param features float32 [B, C, h, w]
 * @param mask int64 [B, S, S]
 */
public record Batch(NDArray features, NDArray mask) {

  /** The shapes that every example of a data set has: [C, h, w] and [size, size]. */
  public record Layout(int channels, int height, int width, int size) implements Serializable {}

  /** Copies examples; they belong to the manager. */
  public static Batch of(NDManager manager, List<Example> examples, Layout layout) {
    int count = examples.size();
    Shape shape = new Shape(count, layout.channels(), layout.height(), layout.width());
    NDArray features =
        Torch.array(
            manager, DataType.FLOAT32, shape, b -> examples.forEach(e -> b.put(e.features())));
    NDArray labels =
        Torch.array(
            manager,
            DataType.UINT8,
            new Shape(count, layout.size(), layout.size()),
            b -> examples.forEach(e -> b.put(e.mask())));
    return new Batch(features, labels.toType(DataType.INT64, false));
  }
}
