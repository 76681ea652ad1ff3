package io.squeeze.quantize;

import io.squeeze.torch.Parameters;

/**
 * Counts the values of each principal component in bins of a small part of its deviation: all that
 * {@link ScalarDesign} has to know of the vectors.
 *
 * @param deviations of the components
 */
public record ComponentHistograms(double[] deviations)
    implements Round<ComponentHistograms.Counts> {
  private static final int BINS = 4096;

  /**
   * Deviations that the bins cover, half of them on each side; what lies beyond counts as there.
   */
  private static final double RANGE = 32;

  /**
   * How many values lie in each bin.
   *
   * @param bins [component, bin]
   */
  public record Counts(int[] bins) implements Round.Sums<Counts> {

    @Override
    public Counts merge(Counts other) {
      for (int i = 0; i < bins.length; i++) {
        bins[i] = Math.addExact(bins[i], other.bins[i]);
      }
      return this;
    }

    /** The counts of a component's bins. */
    int[] of(int component) {
      return java.util.Arrays.copyOfRange(bins, component * BINS, (component + 1) * BINS);
    }
  }

  @Override
  public Counts none(double largest) {
    return new Counts(new int[Math.multiplyExact(deviations.length, BINS)]);
  }

  @Override
  public void add(Counts sums, VectorBlock vectors, Parameters parameters) {
    int width = vectors.width();
    for (int i = 0; i < vectors.values().length; i++) {
      int component = i % width;
      sums.bins()[component * BINS + bin(component, vectors.values()[i])]++;
    }
  }

  private double step(int component) {
    return deviations[component] * RANGE / BINS;
  }

  private int bin(int component, float value) {
    double step = step(component);
    double place = step > 0 ? Math.floor(value / step) + BINS / 2.0 : BINS / 2.0;
    return (int) Math.max(0, Math.min(BINS - 1, place));
  }

  /** The value in the middle of a bin. */
  double middle(int component, int bin) {
    return (bin - BINS / 2 + 0.5) * step(component);
  }
}
