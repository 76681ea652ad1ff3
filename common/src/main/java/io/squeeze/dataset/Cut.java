package io.squeeze.dataset;

import io.squeeze.config.Seeds;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Takes a share of every stratum by hashed id. Sample and stratum alone decide, so every task can
 * compute the decision, and no table of chosen ids exists.
 *
 * @param seed of the hash
 * @param purpose names the cut, so that two cuts of one seed are independent
 * @param thresholds the largest place taken, by stratum; from a stratum without an entry nothing is
 *     taken
 */
public record Cut(long seed, String purpose, Map<String, Long> thresholds) implements Serializable {
  public Cut {
    thresholds = new TreeMap<>(thresholds);
  }

  /** The sample's place: low places are taken first. */
  public static long place(long seed, String purpose, String id) {
    return Seeds.hash(seed, purpose, id);
  }

  /** Whether the cut takes the sample. */
  public boolean takes(String id, String stratum) {
    Long threshold = thresholds.get(stratum);
    return threshold != null && place(seed, purpose, id) <= threshold;
  }

  /**
   * How many of each stratum to take so that {@code total} come together: the largest remainders of
   * {@code total * size / sum} are rounded up (Hamilton's method); ties go to the first name.
   *
   * @param sizes samples by stratum
   */
  public static Map<String, Long> quotas(Map<String, Long> sizes, long total) {
    long sum = sizes.values().stream().mapToLong(Long::longValue).sum();
    Map<String, Long> quotas = new TreeMap<>();
    Map<String, Double> remainders = new TreeMap<>();
    long given = 0;
    for (Map.Entry<String, Long> entry : new TreeMap<>(sizes).entrySet()) {
      double exact = sum == 0 ? 0 : (double) total * entry.getValue() / sum;
      long whole = Math.min((long) Math.floor(exact), entry.getValue());
      quotas.put(entry.getKey(), whole);
      remainders.put(entry.getKey(), exact - whole);
      given += whole;
    }
    List<String> order = new ArrayList<>(remainders.keySet());
    order.sort(Comparator.comparing((String name) -> -remainders.get(name)));
    for (int i = 0; given < Math.min(total, sum); i = (i + 1) % order.size()) {
      String name = order.get(i);
      if (quotas.get(name) < sizes.get(name)) {
        quotas.merge(name, 1L, Long::sum);
        given++;
      }
    }
    return quotas;
  }
}
