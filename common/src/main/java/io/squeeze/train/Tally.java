package io.squeeze.train;

import io.squeeze.metric.CodebookHealth;
import io.squeeze.metric.ConfusionMatrix;
import io.squeeze.segment.SqueezeModel;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The results of some samples, in training or evaluation.
 *
 * @param lossSum the sum over the samples of their batch's loss
 * @param terms the terms of the segmentation loss by name, without weights, summed in the same way
 * @param segmentationSum the weighted sum of the terms
 * @param times the time of each part of the work
 */
public record Tally(
    long samples,
    double lossSum,
    double segmentationSum,
    Map<String, Double> terms,
    ConfusionMatrix confusion,
    CodebookHealth health,
    Times times)
    implements Serializable {

  /** Nanoseconds of a task: for the log alone. */
  public record Times(long read, long forward, long backward, long update, long score)
      implements Serializable {
    static final Times NONE = new Times(0, 0, 0, 0, 0);

    /** Both together. */
    public Times plus(Times other) {
      return new Times(
          read + other.read,
          forward + other.forward,
          backward + other.backward,
          update + other.update,
          score + other.score);
    }

    /** All of it. */
    public long total() {
      return read + forward + backward + update + score;
    }
  }

  public Tally {
    terms = new TreeMap<>(terms);
  }

  /** Of no samples. */
  public static Tally empty(SqueezeModel model) {
    return new Tally(
        0,
        0,
        0,
        Map.of(),
        ConfusionMatrix.empty(model.classes()),
        CodebookHealth.empty(model.quantizer().codebookSizes()),
        Times.NONE);
  }

  /** Both together; sums depend on the order in their last bits. */
  public Tally plus(Tally other) {
    Map<String, Double> sums = new TreeMap<>(terms);
    other.terms.forEach((name, value) -> sums.merge(name, value, Double::sum));
    return new Tally(
        samples + other.samples,
        lossSum + other.lossSum,
        segmentationSum + other.segmentationSum,
        sums,
        confusion.plus(other.confusion),
        health.plus(other.health),
        times.plus(other.times));
  }

  /** The same after more time. */
  Tally after(Times more) {
    Times sum = times.plus(more);
    return new Tally(samples, lossSum, segmentationSum, terms, confusion, health, sum);
  }

  /** The same with codes revived. */
  public Tally revived(long codes) {
    CodebookHealth more = health.revived(codes);
    return new Tally(samples, lossSum, segmentationSum, terms, confusion, more, times);
  }

  /** The numbers by name, without times. */
  public Map<String, Object> metrics(List<String> classes, boolean training) {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("loss", lossSum / samples);
    values.put("seg_loss", segmentationSum / samples);
    terms.forEach((name, sum) -> values.putIfAbsent(name, sum / samples));
    values.putAll(confusion.metrics(classes));
    values.putAll(health.metrics(samples, training));
    return values;
  }
}
