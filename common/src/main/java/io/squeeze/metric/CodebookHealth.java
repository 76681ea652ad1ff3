package io.squeeze.metric;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How a quantizer fares over some samples.
 *
 * @param usage the codes of each level
 * @param losses the quantizer's own losses, each summed over samples: one a level, or one for all
 * @param revived dead codes that were put on a vector
 */
public record CodebookHealth(List<CodeUsage> usage, double[] losses, long revived)
    implements Serializable {

  /** Of no samples. */
  public static CodebookHealth empty(int[] levels) {
    List<CodeUsage> usage =
        Arrays.stream(levels).mapToObj(codes -> new CodeUsage(new long[codes])).toList();
    return new CodebookHealth(usage, new double[0], 0);
  }

  /**
   * The same with the codes of some samples.
   *
   * @param codes level fastest, -1 for none; null without quantization
   * @param batchLosses a mean for each entry of {@link #losses}
   */
  public CodebookHealth plus(int[] codes, float[] batchLosses, long samples) {
    List<CodeUsage> counted = new ArrayList<>();
    usage.forEach(level -> counted.add(new CodeUsage(level.counts().clone())));
    for (int i = 0; codes != null && i < codes.length; i++) {
      if (codes[i] >= 0) {
        counted.get(i % counted.size()).counts()[codes[i]]++;
      }
    }
    double[] sums = new double[batchLosses.length];
    Arrays.setAll(sums, i -> batchLosses[i] * samples);
    return new CodebookHealth(counted, added(losses, sums), revived);
  }

  /** Both together. */
  public CodebookHealth plus(CodebookHealth other) {
    List<CodeUsage> sums = new ArrayList<>();
    for (int level = 0; level < usage.size(); level++) {
      sums.add(usage.get(level).plus(other.usage.get(level)));
    }
    return new CodebookHealth(sums, added(losses, other.losses), revived + other.revived);
  }

  private static double[] added(double[] a, double[] b) {
    if (a.length == 0 || b.length == 0) {
      return a.length == 0 ? b : a;
    }
    double[] sums = new double[a.length];
    Arrays.setAll(sums, i -> a[i] + b[i]);
    return sums;
  }

  /** The same with codes revived. */
  public CodebookHealth revived(long more) {
    return new CodebookHealth(usage, losses, revived + more);
  }

  /**
   * The numbers by name, those of level l of several under {@code level_l/}.
   *
   * @param samples that the losses were summed over
   * @param training whether there were losses and revivals
   */
  public Map<String, Object> metrics(long samples, boolean training) {
    Map<String, Object> values = new LinkedHashMap<>();
    for (int level = 0; level < usage.size(); level++) {
      String prefix = usage.size() == 1 ? "" : "level_" + level + "/";
      values.put(prefix + "codes_used", usage.get(level).used());
      values.put(prefix + "perplexity", usage.get(level).perplexity());
      values.put(prefix + "entropy_bits", usage.get(level).entropyBits());
    }
    for (int i = 0; training && i < losses.length && !usage.isEmpty(); i++) {
      String prefix = losses.length == 1 ? "" : "level_" + i + "/";
      values.put(prefix + "quantizer_loss", losses[i] / samples);
    }
    if (training && !usage.isEmpty()) {
      values.put("codes_revived", revived);
    }
    return values;
  }
}
