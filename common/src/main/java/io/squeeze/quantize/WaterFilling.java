package io.squeeze.quantize;

import java.util.Arrays;

/**
 * How a rate is spent on independent Gaussian components: each is coded down to one level of error,
 * and those whose variance lies below it get nothing (reverse water-filling; Cover and Thomas,
 * Elements of Information Theory, 10.3.3).
 *
 * @param level the error of a component that gets bits
 */
public record WaterFilling(double level) {
  /** Halvings of the interval that holds the level. */
  private static final int STEPS = 200;

  /** The level at which {@code bits} are spent on components of these variances. */
  public static WaterFilling of(double[] variances, double bits) {
    double high = Arrays.stream(variances).max().orElse(0);
    if (!(high > 0)) {
      return new WaterFilling(0);
    }
    double low = high * 1e-30;
    for (int step = 0; step < STEPS; step++) {
      double middle = Math.sqrt(low * high);
      if (bits(variances, middle) > bits) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return new WaterFilling(high);
  }

  private static double bits(double[] variances, double level) {
    return Arrays.stream(variances)
        .filter(variance -> variance > level)
        .map(variance -> Math.log(variance / level) / (2 * Math.log(2)))
        .sum();
  }

  /** How many components get bits; at least one. */
  public int components(double[] variances) {
    return (int) Math.max(1, Arrays.stream(variances).filter(v -> v > level).count());
  }
}
