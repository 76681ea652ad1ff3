package io.squeeze.jobs.grid;

import com.typesafe.config.ConfigValue;
import io.squeeze.jobs.grid.Measured.Quantity;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A configuration of a grid: the mean over the runs that differ in their seed alone.
 *
 * @param settings that the grid varies, without the seed
 * @param runs number of runs that are done
 * @param failed number of failed runs
 * @param means of the values of its runs, of those that have them
 * @param deviation sample standard deviation of the ranked value (n - 1); NaN for fewer than two
 *     runs
 * @param front whether it is on the Pareto front: no configuration has fewer bits and is at least
 *     as good, or has as many bits and is better
 */
record Result(
    String configuration,
    Map<String, ConfigValue> settings,
    int runs,
    int failed,
    Map<String, Double> means,
    double deviation,
    boolean front) {

  /** The configurations, the best first. */
  static List<Result> of(List<Outcome> outcomes, Quantity ranked) {
    Map<Map<String, ConfigValue>, List<Outcome>> groups = new LinkedHashMap<>();
    for (Outcome outcome : outcomes) {
      groups.computeIfAbsent(outcome.run().shared(), c -> new ArrayList<>()).add(outcome);
    }
    List<Result> results = new ArrayList<>();
    groups.forEach((settings, group) -> results.add(of(settings, group, ranked)));
    results.sort(
        Comparator.comparingDouble((Result r) -> ranked.rank(r.mean(ranked.key())))
            .thenComparing(Result::configuration));
    return results.stream().map(r -> r.onFront(results, ranked)).toList();
  }

  private static Result of(
      Map<String, ConfigValue> settings, List<Outcome> group, Quantity ranked) {
    List<Outcome> done = group.stream().filter(o -> !o.failed()).toList();
    Map<String, Double> means = new LinkedHashMap<>();
    done.stream()
        .flatMap(o -> o.values().keySet().stream())
        .distinct()
        .forEach(name -> means.put(name, mean(done, name)));
    double mean = means.getOrDefault(ranked.key(), Double.NaN);
    double squares =
        done.stream().mapToDouble(o -> Math.pow(o.value(ranked.key()) - mean, 2)).sum();
    return new Result(
        group.get(0).run().configuration(),
        settings,
        done.size(),
        group.size() - done.size(),
        means,
        done.size() < 2 ? Double.NaN : Math.sqrt(squares / (done.size() - 1)),
        false);
  }

  private static double mean(List<Outcome> done, String name) {
    return done.stream()
        .mapToDouble(o -> o.value(name))
        .filter(value -> !Double.isNaN(value))
        .average()
        .orElse(Double.NaN);
  }

  /** The mean of a value; NaN where no run has it. */
  double mean(String name) {
    return means.getOrDefault(name, Double.NaN);
  }

  double bits() {
    return mean(Measured.BITS);
  }

  private Result onFront(List<Result> all, Quantity ranked) {
    double own = mean(ranked.key());
    boolean beaten =
        all.stream()
            .anyMatch(
                other -> {
                  double its = other.mean(ranked.key());
                  return other.bits() <= bits()
                      && (ranked.better(its, own) || (its == own && other.bits() < bits()));
                });
    return new Result(
        configuration,
        settings,
        runs,
        failed,
        means,
        deviation,
        runs > 0 && !Double.isNaN(own) && !beaten);
  }
}
