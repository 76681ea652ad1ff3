package io.squeeze.jobs.run;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import io.squeeze.config.Json;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.run.Summary.Codebook;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What the codes of a table of vectors keep: the contents of its summary.json.
 *
 * @param error mean squared error of a value
 * @param recall share of the ten nearest neighbours that are still among the ten nearest; null
 *     where it was not measured
 * @param queries vectors that were asked for their neighbours; null as above
 * @param population vectors that were searched for them; null as above
 * @param bitsPerVector of codes of a fixed width; by their entropy where they have none (scalar)
 * @param entropyBits of the codes of a vector by their entropy; null in summaries of 0.1.0
 * @param projectionError the part of the error that the projection cuts off; null as above
 * @param variance of a value, the mean over all: the error of a quantizer that gives every vector
 *     the mean of all; null in summaries of before
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
@JsonPropertyOrder({
  "samples",
  "mse",
  "cosine_similarity",
  "recall_at_10",
  "recall_queries",
  "recall_population",
  "bits_per_vector",
  "entropy_bits_per_vector",
  "mse_projection",
  "variance",
  "compression",
  "codebook"
})
public record VectorSummary(
    long samples,
    @JsonProperty("mse") double error,
    @JsonProperty("cosine_similarity") double cosine,
    @JsonProperty("recall_at_10") Double recall,
    @JsonProperty("recall_queries") Long queries,
    @JsonProperty("recall_population") Long population,
    @JsonProperty("bits_per_vector") double bitsPerVector,
    @JsonProperty("entropy_bits_per_vector") Double entropyBits,
    @JsonProperty("mse_projection") Double projectionError,
    Double variance,
    Nominal compression,
    Codebook codebook) {
  /** Stands where a split would. */
  public static final String EVALUATION = "vectors";

  /** How many times smaller codes are than float32. */
  public record Nominal(double nominal) {}

  /**
   * Reads the JSON of a file.
   *
   * @throws SqueezeException of category input if it is none
   */
  public static VectorSummary parse(String json, String path) {
    return Json.value(
        json, VectorSummary.class, "the summary " + path + " (delete it to score again)");
  }

  /** The error as a share of the variance; null where that is not known, or there is none. */
  public Double share() {
    return variance == null || variance == 0 ? null : Double.valueOf(error / variance);
  }

  /** The JSON of the file. */
  public String json() {
    return Json.pretty(this);
  }

  /** A few lines that say it all. */
  public List<String> lines() {
    List<String> lines = new ArrayList<>();
    lines.add(line("samples", samples));
    lines.add(line("mse", number(error)));
    if (share() != null) {
      lines.add(line("", "%s of the variance".formatted(number(share()))));
    }
    if (projectionError != null) {
      lines.add(
          line(
              "",
              "%s cut off by the projection, %s by the codes"
                  .formatted(
                      number(projectionError), number(Math.max(0, error - projectionError)))));
    }
    lines.add(line("cosine_similarity", number(cosine)));
    if (recall != null) {
      lines.add(line("recall_at_10", number(recall)));
      lines.add(line("", "of %d vectors among %d".formatted(queries, population)));
    }
    lines.add(line("bits_per_vector", number(bitsPerVector)));
    if (entropyBits != null) {
      lines.add(line("", "%s by their entropy".formatted(number(entropyBits))));
    }
    lines.add(
        line(
            "compression",
            "%s of float32".formatted(CompressionTable.ratio(compression.nominal()))));
    lines.add(line("codebook", "%d of %d codes used".formatted(codebook.used(), codebook.size())));
    return lines;
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.5g", value);
  }

  private static String line(String name, Object value) {
    return String.format(Locale.ROOT, "  %-18s %s", name, value);
  }
}
