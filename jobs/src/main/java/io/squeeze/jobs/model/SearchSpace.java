package io.squeeze.jobs.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.fit.Blocks;
import io.squeeze.jobs.fit.VectorFit;
import io.squeeze.search.Codewords;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import java.io.Serializable;
import java.util.Arrays;

/**
 * Where codes are compared with vectors: the space where the quantizer searches. A fit to vectors
 * has an orthonormal projection. So the distance to a decoded vector is the distance there and what
 * the projection cuts off the query, which no codes can change. A training with a head has another
 * projection, and compares in its space alone.
 *
 * @param words what the codes stand for there
 * @param bias what all decoded vectors have in common, [C]; null where nothing is cut off
 */
public record SearchSpace(Codewords words, float[] bias) implements Serializable {
  /** A code is stored in 16 bits while lists are scanned. */
  private static final int MOST_CODES = 1 << 16;

  /**
   * The space of a quantizer; loads libtorch.
   *
   * @throws SqueezeException of category configuration if its codes cannot be searched
   */
  public static SearchSpace of(TrainedQuantizer quantizer) {
    Checkpoint checkpoint = quantizer.checkpoint();
    if (checkpoint.settings().train().adapterParameters() != null) {
      throw SqueezeException.configuration(
          quantizer.path()
              + " has an adapter (--add_adapter), which is for grids, not for single vectors");
    }
    int[] sizes = quantizer.codebookSizes();
    int largest = Arrays.stream(sizes).max().orElse(0);
    if (largest > MOST_CODES) {
      throw SqueezeException.configuration(
          "%s has %d codes a level; an index takes at most %d"
              .formatted(quantizer.path(), largest, MOST_CODES));
    }
    try (LoadedModel loaded = LoadedModel.of(checkpoint)) {
      float[][] vectors = new float[sizes.length][];
      for (int l = 0; l < sizes.length; l++) {
        vectors[l] =
            TrainedQuantizer.contributions(loaded, l, loaded.quantizer()::codewordsInSearchSpace);
      }
      boolean fitted = checkpoint.backbone().equals(VectorFit.NO_BACKBONE);
      return new SearchSpace(
          new Codewords(vectors, vectors[0].length / sizes[0]),
          fitted ? bias(loaded, sizes.length) : null);
    }
  }

  /** What no codes decode to. */
  private static float[] bias(LoadedModel loaded, int levels) {
    long[] none = new long[levels];
    Arrays.fill(none, -1);
    try (NDManager scope = loaded.manager().newSubManager()) {
      NDArray codes = scope.create(none, new Shape(1, levels));
      return Torch.tensor(loaded.quantizer().decode(codes, loaded.parameters())).floats();
    }
  }

  /** Vectors [n][C] where codes are searched, [n][d]. */
  public float[][] located(LoadedModel loaded, float[][] vectors) {
    float[][] located = new float[vectors.length][];
    int channels = vectors[0].length;
    for (int from = 0; from < vectors.length; from += Blocks.ROWS) {
      int rows = Math.min(Blocks.ROWS, vectors.length - from);
      float[] block = new float[rows * channels];
      for (int i = 0; i < rows; i++) {
        System.arraycopy(vectors[from + i], 0, block, i * channels, channels);
      }
      try (NDManager scope = loaded.manager().newSubManager()) {
        NDArray found =
            loaded
                .quantizer()
                .toSearchSpace(Blocks.rows(scope, block, channels), loaded.parameters());
        float[] values = Torch.tensor(found).floats();
        int width = values.length / Blocks.ROWS;
        for (int i = 0; i < rows; i++) {
          located[from + i] = Arrays.copyOfRange(values, i * width, (i + 1) * width);
        }
      }
    }
    return located;
  }

  /** The squared length of what the projection cuts off a vector [C]. */
  public float cutOff(float[] vector, float[] located) {
    if (bias == null || located.length == vector.length) {
      return 0;
    }
    double all = 0;
    for (int j = 0; j < vector.length; j++) {
      double value = (double) vector[j] - bias[j];
      all += value * value;
    }
    for (float value : located) {
      all -= (double) value * value;
    }
    return (float) Math.max(0, all);
  }
}
