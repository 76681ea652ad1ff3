package io.squeeze.jobs.fit;

import io.squeeze.quantize.CodebookStatistics;
import io.squeeze.quantize.CovarianceAccumulator;
import io.squeeze.quantize.KMeans;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.Round;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.Map;
import java.util.function.Consumer;

/**
 * The vectors of a fit, in one task or spread over the executors. All sums are exact, so both give
 * the same bytes.
 */
interface FitVectors {
  /** How many there are. */
  long count();

  /** The sum of all, as the one code of statistics. */
  CodebookStatistics sum(int channels);

  /** The largest magnitude among the values of vectors less a centre. */
  double largest(float[] centre);

  /** What principal components need of vectors less a centre. */
  CovarianceAccumulator scatter(float[] centre, double largest);

  /** A round over all vectors where the quantizer searches. */
  <S extends Round.Sums<S>> S sums(Pass<S> pass, Map<String, HostTensor> tensors);

  /**
   * What a round over all vectors sums.
   *
   * @param largest no value is larger where the quantizer searches
   */
  record Pass<S extends Round.Sums<S>>(Round<S> round, Quantizer quantizer, double largest)
      implements Serializable {}

  /** Gives what a codebook sees of the vectors, as long as the consumer runs. */
  void searched(
      Quantizer quantizer,
      int codebook,
      Map<String, HostTensor> tensors,
      Consumer<KMeans.Points> use);
}
