package io.squeeze.quantize;

import io.squeeze.torch.Parameters;
import java.io.Serializable;

/**
 * A pass over the vectors of a fit. Its sums are exact, so they do not depend on how the vectors
 * are split or ordered.
 *
 * @param <S> the sums
 */
public interface Round<S extends Round.Sums<S>> extends Serializable {

  /** What a pass knows of the vectors that it has seen. */
  interface Sums<S> extends Serializable {
    /** Adds what another has summed. */
    S merge(S other);
  }

  /**
   * Sums of no vectors.
   *
   * @param largest no value is larger
   */
  S none(double largest);

  /** Adds vectors as the quantizer searches them. */
  void add(S sums, VectorBlock vectors, Parameters parameters);
}
