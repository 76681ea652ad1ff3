package io.squeeze.jobs.run;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.posexplode;
import static org.apache.spark.sql.functions.sum;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import io.squeeze.codec.Compression;
import io.squeeze.codec.Compression.Bytes;
import io.squeeze.codec.Compression.Ratios;
import io.squeeze.config.Json;
import io.squeeze.config.SqueezeException;
import io.squeeze.metric.CodeUsage;
import io.squeeze.metric.ConfusionMatrix;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * What a split came to: the contents of summary.json.
 *
 * @param miou from the pooled confusion matrix
 * @param classIou by name, without classes that occur in neither target nor prediction
 * @param meanSampleIou mean of the samples' own IoU
 * @param compression against float32
 * @param compressionOfStored against what the embeddings take in Parquet
 * @param codebook null without quantization
 * @param kept what the codes keep of the vectors; null without quantization
 * @param reference what the Python project would print
 * @param baseline null without a second checkpoint
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
@JsonPropertyOrder({
  "samples",
  "miou",
  "class_iou",
  "mean_sample_iou",
  "pixel_accuracy",
  "precision",
  "recall",
  "f1",
  "bits_per_vector",
  "compression",
  "compression_of_stored",
  "bytes",
  "bytes_per_sample",
  "codebook",
  "kept",
  "reference",
  "baseline"
})
public record Summary(
    long samples,
    double miou,
    @JsonProperty("class_iou") Map<String, Double> classIou,
    @JsonProperty("mean_sample_iou") Double meanSampleIou,
    @JsonProperty("pixel_accuracy") double pixelAccuracy,
    double precision,
    double recall,
    double f1,
    @JsonProperty("bits_per_vector") double bitsPerVector,
    Ratios compression,
    @JsonProperty("compression_of_stored") Ratios compressionOfStored,
    Bytes bytes,
    @JsonProperty("bytes_per_sample") Bytes bytesPerSample,
    Codebook codebook,
    Kept kept,
    ReferenceMetrics reference,
    Summary baseline) {
  /** The file's name. */
  public static final String NAME = "summary.json";

  /**
   * Reads the JSON of a file.
   *
   * @throws SqueezeException of category input if it is none
   */
  public static Summary parse(String json, String path) {
    return Json.value(json, Summary.class, "the summary " + path + " (delete it to score again)");
  }

  /** How the codes of a level are used. */
  @JsonPropertyOrder({"entropy_bits", "size", "used", "perplexity"})
  public record Level(
      long size, long used, double perplexity, @JsonProperty("entropy_bits") double entropyBits) {
    static Level of(CodeUsage usage) {
      return new Level(
          usage.counts().length, usage.used(), usage.perplexity(), usage.entropyBits());
    }
  }

  /** Codes over all levels, and those that occur; perplexity is the mean of the levels'. */
  public record Codebook(long size, long used, double perplexity, List<Level> levels) {
    /** Of the levels' usage; null without any. */
    public static Codebook of(List<CodeUsage> levels) {
      if (levels.isEmpty()) {
        return null;
      }
      return new Codebook(
          levels.stream().mapToLong(level -> level.counts().length).sum(),
          levels.stream().mapToLong(CodeUsage::used).sum(),
          levels.stream().mapToDouble(CodeUsage::perplexity).average().orElseThrow(),
          levels.stream().map(Level::of).toList());
    }
  }

  /**
   * What codes keep of the vectors.
   *
   * @param meanSquaredError of a value, the mean of the samples'
   * @param cosineSimilarity of a vector, the mean of the samples'
   * @param recall share of the ten nearest neighbours that are still among the ten nearest; null
   *     where there was nothing to find
   * @param queries vectors that were asked for their neighbours; null in summaries of 0.1.0
   * @param population vectors that were searched for them
   */
  public record Kept(
      @JsonProperty("mse") Double meanSquaredError,
      @JsonProperty("cosine_similarity") Double cosineSimilarity,
      @JsonProperty("recall_at_10") Double recall,
      @JsonProperty("recall_queries") Long queries,
      @JsonProperty("recall_population") Long population) {}

  public static Summary of(
      long samples,
      ConfusionMatrix matrix,
      Double meanSampleIou,
      List<String> classes,
      Compression compression,
      List<CodeUsage> usage,
      Kept kept,
      ReferenceMetrics reference,
      Summary baseline) {
    Map<String, Double> classIou = new LinkedHashMap<>();
    for (int k = 0; k < classes.size(); k++) {
      String name = classes.get(k);
      matrix.iou(k).ifPresent(iou -> classIou.put(name, iou));
    }
    return new Summary(
        samples,
        matrix.meanIou(),
        classIou,
        meanSampleIou,
        matrix.pixelAccuracy(),
        matrix.precision(),
        matrix.recall(),
        matrix.f1(),
        compression.bitsPerVector(),
        compression.ratios(),
        compression.ratiosOfStored(),
        compression.bytes(),
        compression.bytesPerSample(),
        Codebook.of(usage),
        kept,
        reference,
        baseline);
  }

  /** The sum of a table's confusion matrices. */
  public static ConfusionMatrix pooled(Dataset<Row> table, String column, int classes) {
    long[] counts = new long[classes * classes];
    table
        .select(posexplode(col(column)))
        .groupBy("pos")
        .agg(sum("col"))
        .collectAsList()
        .forEach(row -> counts[row.getInt(0)] = row.getLong(1));
    return new ConfusionMatrix(classes, counts);
  }

  /** The mean of a column. */
  public static Double mean(Dataset<Row> table, String column) {
    return table.agg(Groups.mean(column)).collectAsList().get(0).getAs(0);
  }

  /** The JSON of the file. */
  public String json() {
    return Json.pretty(this);
  }
}
