package io.squeeze.jobs.grid;

import io.squeeze.jobs.run.Summary;
import io.squeeze.jobs.run.VectorSummary;
import io.squeeze.report.Chart;
import io.squeeze.report.RateChart;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What the runs of a grid are measured by: photos by their masks, tables by what is lost.
 *
 * @param ranked what configurations are ranked by
 * @param second what is printed beside it
 * @param ofRuns columns of the table of runs
 * @param ofResults values whose means are columns of the table of configurations
 */
record Measured(Quantity ranked, Quantity second, List<String> ofRuns, List<String> ofResults) {
  static final String BITS = "bits_per_vector";
  static final String NOMINAL = "nominal";

  /** The same for all runs of a configuration. */
  private static final List<String> SIZES = List.of(BITS, NOMINAL, "amortized");

  /**
   * A number of a run.
   *
   * @param key in the tables
   * @param header where it is printed
   * @param title in pictures
   * @param rises whether more is better
   */
  record Quantity(String key, String header, String title, boolean rises) {

    /** Whether one value is better than another. */
    boolean better(double one, double other) {
      return rises ? one > other : one < other;
    }

    /** A value that is the smaller the better it is; NaN, of what failed, is the largest. */
    double rank(double value) {
      return Double.isNaN(value) ? Double.POSITIVE_INFINITY : rises ? -value : value;
    }
  }

  static final Measured PHOTOS =
      new Measured(
          new Quantity("miou", "mIoU", "mean IoU", true),
          new Quantity("val_iou", "val", "held-out IoU", true),
          List.of("miou", "val_iou", BITS),
          List.of(
              "miou",
              "val_iou",
              "pixel_accuracy",
              BITS,
              NOMINAL,
              "amortized",
              "codes_used",
              "perplexity"));

  static final Measured VECTORS =
      new Measured(
          new Quantity("error_share", "error", "error, share of the variance", false),
          new Quantity("recall_at_10", "recall@10", "recall@10", true),
          List.of("error_share", "recall_at_10", BITS),
          List.of(
              "error_share",
              "cosine_similarity",
              "recall_at_10",
              BITS,
              NOMINAL,
              "codes_used",
              "perplexity"));

  /** Columns of the table of configurations, by the value that each has the mean of. */
  Map<String, String> columns() {
    Map<String, String> columns = new LinkedHashMap<>();
    for (String key : ofResults) {
      columns.put(key, SIZES.contains(key) ? key : key + "_mean");
    }
    return columns;
  }

  boolean isOfPhotos() {
    return equals(PHOTOS);
  }

  /** The picture of at least one point. */
  Chart chart(String of, List<RateChart.Point> points) {
    String title = "Rate and distortion";
    return isOfPhotos()
        ? RateChart.of(title, ranked.title() + ", " + of, points)
        : RateChart.ofErrors(title, ranked.title(), points);
  }

  /**
   * The values of a run on photos.
   *
   * @param valIou null where nothing is held out
   */
  static Map<String, Double> of(Summary summary, Double valIou) {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("miou", summary.miou());
    values.put("val_iou", valIou);
    values.put("pixel_accuracy", summary.pixelAccuracy());
    values.put(BITS, summary.bitsPerVector());
    values.put(NOMINAL, summary.compression().nominal());
    values.put("amortized", summary.compression().amortized());
    add(values, summary.codebook());
    return values;
  }

  /**
   * The values of a run on a table.
   *
   * @param bits of a vector, with what coding adds
   */
  static Map<String, Double> of(VectorSummary summary, double bits) {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("error_share", summary.share());
    values.put("cosine_similarity", summary.cosine());
    values.put("recall_at_10", summary.recall());
    values.put(BITS, bits);
    values.put(NOMINAL, summary.compression().nominal() * summary.bitsPerVector() / bits);
    add(values, summary.codebook());
    return values;
  }

  private static void add(Map<String, Double> values, Summary.Codebook codebook) {
    if (codebook != null) {
      values.put("codes_used", (double) codebook.used());
      values.put("perplexity", codebook.perplexity());
    }
  }
}
