package io.squeeze.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.SqueezeException;
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
  public record Layout(int channels, int height, int width, int size) implements Serializable {

    /** Bytes of one sample's features in float32, however they are stored. */
    public int floatBytes() {
      return 4 * channels * height * width;
    }
  }

  /**
   * Copies examples; they belong to the manager.
   *
   * @throws SqueezeException of category input if a mask has another size
   */
  public static Batch of(NDManager manager, List<Example> examples, Layout layout) {
    for (Example example : examples) {
      if (example.mask().length != layout.size() * layout.size()) {
        throw SqueezeException.input(
            "The mask of %s has %s pixels, not %s x %s%s"
                .formatted(
                    example.id(),
                    example.mask().length,
                    layout.size(),
                    layout.size(),
                    example.mask().length == 0 ? ": decode with --masks" : ""));
      }
    }
    NDArray features = features(manager, examples.stream().map(Example::features).toList(), layout);
    NDArray labels =
        Torch.array(
            manager,
            DataType.UINT8,
            new Shape(examples.size(), layout.size(), layout.size()),
            b -> examples.forEach(e -> b.put(e.mask())));
    return new Batch(features, labels.toType(DataType.INT64, false));
  }

  /** Features alone, float32 or float16 [C, h, w] each: float32 [B, C, h, w]. */
  public static NDArray features(NDManager manager, List<byte[]> grids, Layout layout) {
    int count = grids.size();
    Shape shape = new Shape(count, layout.channels(), layout.height(), layout.width());
    // Features are stored in four bytes a value, or in two.
    boolean half = grids.get(0).length < 4 * shape.size() / count;
    NDArray stored =
        Torch.array(
            manager, half ? DataType.FLOAT16 : DataType.FLOAT32, shape, b -> grids.forEach(b::put));
    return half ? stored.toType(DataType.FLOAT32, false) : stored;
  }
}
