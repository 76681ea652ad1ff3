package io.squeeze.quantize;

import io.squeeze.weights.HostTensor;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Improves all codebooks of a fit together, in rounds over its vectors.
 *
 * @param <S> the sums of a round
 */
public interface Refit<S extends Refit.Sums<S>> extends Round<S> {

  /** What a round knows of the codes of the vectors that it has seen. */
  interface Sums<S> extends Round.Sums<S> {
    /** The squared errors of all vectors, where codes are searched. */
    double error();

    /** How often each code of each level was chosen, [level][K]. */
    long[][] counts();
  }

  /**
   * The order in which principal components are handed to the quantizer.
   *
   * @param variances along each, the largest first
   */
  default int[] order(double[] variances) {
    return IntStream.range(0, variances.length).toArray();
  }

  /** What a codebook begins with, from k-means on what the codebooks before it leave. */
  default KMeans.Result begin(KMeans.Result centroids) {
    return centroids;
  }

  /** Changes the tensors to what suits the sums best. */
  void improve(S sums, Map<String, HostTensor> tensors);
}
