package io.squeeze.metric;

import java.io.Serializable;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Pixels counted by (target, prediction). Every mean is taken over the classes that occur in target
 * or prediction; a class in neither is left out, not counted as 0.
 *
 * @param counts [classes * classes], target first
 */
public record ConfusionMatrix(int classes, long[] counts) implements Serializable {
  public ConfusionMatrix {
    if (counts.length != classes * classes) {
      throw new IllegalArgumentException(
          "Invalid confusion matrix: " + counts.length + " counts for " + classes + " classes");
    }
  }

  public static ConfusionMatrix empty(int classes) {
    return new ConfusionMatrix(classes, new long[classes * classes]);
  }

  /** Counts pixels; 255 in the target is ignored. */
  public static ConfusionMatrix of(int classes, byte[] target, byte[] prediction) {
    ConfusionMatrix matrix = empty(classes);
    for (int i = 0; i < target.length; i++) {
      int label = target[i] & 0xFF;
      if (label != 255) {
        matrix.counts[label * classes + (prediction[i] & 0xFF)]++;
      }
    }
    return matrix;
  }

  public ConfusionMatrix plus(ConfusionMatrix other) {
    long[] sum = counts.clone();
    Arrays.setAll(sum, i -> sum[i] + other.counts[i]);
    return new ConfusionMatrix(classes, sum);
  }

  /** Intersection over union of one class; empty if it occurs in neither. */
  public OptionalDouble iou(int label) {
    long union = target(label) + predicted(label) - correct(label);
    return union == 0 ? OptionalDouble.empty() : OptionalDouble.of((double) correct(label) / union);
  }

  /** Mean IoU; NaN where no class occurs. */
  public double meanIou() {
    return macro(label -> iou(label).orElse(0));
  }

  /** Share of the pixels that are right; NaN where none counts. */
  public double pixelAccuracy() {
    long right = IntStream.range(0, classes).mapToLong(this::correct).sum();
    return (double) right / Arrays.stream(counts).sum();
  }

  /** Share of the counted pixels that the target gives a class; NaN where none counts. */
  public double share(int label) {
    return (double) target(label) / Arrays.stream(counts).sum();
  }

  public double precision() {
    return macro(this::precision);
  }

  public double recall() {
    return macro(this::recall);
  }

  /** Mean of the classes' harmonic means of precision and recall. */
  public double f1() {
    return macro(this::f1);
  }

  private double precision(int label) {
    return ratio(correct(label), predicted(label));
  }

  private double recall(int label) {
    return ratio(correct(label), target(label));
  }

  private double f1(int label) {
    return ratio(2 * correct(label), predicted(label) + target(label));
  }

  /**
   * The numbers by name: means as {@code iou}, those of a class that occurs as {@code iou/NAME}.
   *
   * @param names of the classes, in order
   */
  public Map<String, Double> metrics(List<String> names) {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("iou", meanIou());
    values.put("acc", pixelAccuracy());
    values.put("precision", precision());
    values.put("recall", recall());
    values.put("f1", f1());
    for (int label = 0; label < classes; label++) {
      OptionalDouble iou = iou(label);
      if (iou.isPresent()) {
        String name = "/" + names.get(label);
        values.put("iou" + name, iou.getAsDouble());
        values.put("precision" + name, precision(label));
        values.put("recall" + name, recall(label));
        values.put("f1" + name, f1(label));
      }
    }
    return values;
  }

  private double macro(IntToDoubleFunction value) {
    return IntStream.range(0, classes)
        .filter(label -> iou(label).isPresent())
        .mapToDouble(value)
        .average()
        .orElse(Double.NaN);
  }

  private static double ratio(long part, long whole) {
    return whole == 0 ? 0 : (double) part / whole;
  }

  private long correct(int label) {
    return counts[label * classes + label];
  }

  private long target(int label) {
    long sum = 0;
    for (int i = 0; i < classes; i++) {
      sum += counts[label * classes + i];
    }
    return sum;
  }

  private long predicted(int label) {
    long sum = 0;
    for (int i = 0; i < classes; i++) {
      sum += counts[i * classes + label];
    }
    return sum;
  }
}
