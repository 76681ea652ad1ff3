package io.squeeze.jobs.photo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.squeeze.config.ExtractSettings.Pool;
import io.squeeze.torch.Torch;

/** One vector of a photo's features. */
public final class Pooling {
  private static final int[] POSITIONS = {1};

  private Pooling() {}

  /**
   * The vector, [C]; null where none is asked for.
   *
   * @param grid float32 or float16 [1, C, h, w], as it is stored: so its mean is the mean of what a
   *     reader of the grid finds
   * @param token float32 [1, C]; null where the backbone gives none
   */
  public static float[] vector(Pool pool, NDArray grid, NDArray token) {
    return switch (pool) {
      case NONE -> null;
      case MEAN -> {
        NDArray read = grid.toType(DataType.FLOAT32, false);
        NDArray vectors = read.reshape(read.getShape().get(1), -1);
        yield Torch.tensor(vectors.mean(POSITIONS)).floats();
      }
      case CLS -> Torch.tensor(token).floats();
    };
  }
}
