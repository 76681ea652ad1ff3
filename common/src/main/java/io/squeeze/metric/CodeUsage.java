package io.squeeze.metric;

import java.io.Serializable;
import java.util.Arrays;

/** How evenly the codes of one codebook are used, from their counts. */
public record CodeUsage(long[] counts) implements Serializable {

  /** The counts of both. */
  public CodeUsage plus(CodeUsage other) {
    long[] sums = counts.clone();
    Arrays.setAll(sums, k -> sums[k] + other.counts[k]);
    return new CodeUsage(sums);
  }

  /** Codes that occur. */
  public long used() {
    return Arrays.stream(counts).filter(count -> count > 0).count();
  }

  /** Shannon entropy of the codes in bits. */
  public double entropyBits() {
    double total = Arrays.stream(counts).sum();
    double bits = 0;
    for (long count : counts) {
      if (count > 0) {
        bits -= count / total * (Math.log(count / total) / Math.log(2));
      }
    }
    return bits;
  }

  /** What each code takes in bits: {@code -log2 p}; 0 where it does not occur. */
  public double[] bits() {
    double total = Arrays.stream(counts).sum();
    return Arrays.stream(counts)
        .mapToDouble(n -> n == 0 ? 0 : -Math.log(n / total) / Math.log(2))
        .toArray();
  }

  /** {@code exp(-sum p ln(p + 1e-10))}: the number of codes that even use would need. */
  public double perplexity() {
    double total = Arrays.stream(counts).sum();
    double sum = 0;
    for (long count : counts) {
      double p = total == 0 ? 0 : count / total;
      sum += p * Math.log(p + 1e-10);
    }
    return Math.exp(-sum);
  }
}
