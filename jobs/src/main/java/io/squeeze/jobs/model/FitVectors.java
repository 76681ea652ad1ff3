package io.squeeze.jobs.model;

import io.squeeze.quantize.CodebookStatistics;
import io.squeeze.quantize.CovarianceAccumulator;
import io.squeeze.quantize.KMeans;
import io.squeeze.quantize.Quantizer;
import io.squeeze.weights.HostTensor;
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

  /** What principal components need of vectors less a centre. */
  CovarianceAccumulator scatter(float[] centre);

  /** Gives what a codebook sees of the vectors, as long as the consumer runs. */
  void searched(
      Quantizer quantizer,
      int codebook,
      Map<String, HostTensor> tensors,
      Consumer<KMeans.Points> use);
}
