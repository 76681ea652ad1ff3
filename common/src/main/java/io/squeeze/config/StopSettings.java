package io.squeeze.config;

import java.io.Serializable;
import java.util.List;

/**
 * Which epoch is best, and when to stop looking for a better one.
 *
 * @param monitor the metric that decides which epoch is best
 * @param patience number of epochs without improvement after which the run ends; null: it does all
 *     epochs
 */
public record StopSettings(String monitor, Integer patience) implements Serializable {
  private static final List<String> METRICS =
      List.of(
          "val/iou",
          "val/loss",
          "val/seg_loss",
          "val/acc",
          "val/precision",
          "val/recall",
          "val/f1",
          "train/loss");

  static StopSettings from(Section section) {
    return new StopSettings(
        section.oneOf("monitor", METRICS), section.optionalIntIn("patience", 1, 1_000_000));
  }

  /** Whether a value is better than the best before; NaN is worse than anything. */
  public boolean better(double value, double best) {
    if (Double.isNaN(value) || Double.isNaN(best)) {
      return !Double.isNaN(value);
    }
    return monitor.endsWith("loss") ? value < best : value > best;
  }

  /** What any value is better than. */
  public double worst() {
    return monitor.endsWith("loss") ? Double.POSITIVE_INFINITY : Double.NEGATIVE_INFINITY;
  }
}
