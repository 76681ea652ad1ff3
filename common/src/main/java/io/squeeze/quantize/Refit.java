package io.squeeze.quantize;

import io.squeeze.torch.Parameters;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Improves all codebooks of a fit together, in rounds. A round passes over the vectors once. Its
 * sums are exact, so they do not depend on how the vectors are split or ordered.
 *
 * @param <S> the sums of a round
 */
public interface Refit<S extends Refit.Sums<S>> extends Serializable {

  /** What a round knows of the vectors that it has seen. */
  interface Sums<S> extends Serializable {
    /** Adds what another has summed. */
    S merge(S other);

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

  /**
   * Sums of no vectors.
   *
   * @param largest no value is larger
   */
  S none(double largest);

  /** Adds vectors as the quantizer searches them. */
  void add(S sums, VectorBlock vectors, Parameters parameters);

  /** Changes the tensors to what suits the sums best. */
  void improve(S sums, Map<String, HostTensor> tensors);
}
