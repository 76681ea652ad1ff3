package io.squeeze.config;

import java.io.Serializable;
import java.util.List;
import java.util.OptionalInt;

/**
 * Which data set, which part of it, and what a bad sample means.
 *
 * @param listOrder whether cuts follow the order of the list, as the reference project's do
 */
public record DataSettings(
    String dataset,
    String path,
    Integer subset,
    double valFraction,
    long splitSeed,
    boolean listOrder,
    boolean failOnBadSample,
    double maxBadFraction)
    implements Serializable {

  static DataSettings from(Section section) {
    Integer subset = section.optionalIntIn("subset-size", 1, Integer.MAX_VALUE);
    return new DataSettings(
        section.text("dataset"),
        section.text("path"),
        subset,
        section.doubleIn("val-fraction", 0, 0.9),
        section.longIn("split-seed", Long.MIN_VALUE, Long.MAX_VALUE),
        section.oneOf("cut", List.of("stratified", "reference")).equals("reference"),
        section.oneOf("on-bad-sample", List.of("skip", "fail")).equals("fail"),
        section.doubleIn("max-bad-fraction", 0, 1));
  }

  /** The samples asked for, or empty for all of them. */
  public OptionalInt subsetSize() {
    return subset == null ? OptionalInt.empty() : OptionalInt.of(subset);
  }
}
