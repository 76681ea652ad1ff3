package io.squeeze.jobs.grid;

import com.typesafe.config.ConfigValue;
import io.squeeze.jobs.run.Summary;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.ToDoubleFunction;

/**
 * A configuration of a grid: the mean over the runs that differ in their seed alone.
 *
 * @param values of the settings that the grid varies, without the seed
 * @param runs number of runs that are done
 * @param failed number of failed runs
 * @param miou NaN where none is done
 * @param deviation sample standard deviation of the mean IoU (n - 1); NaN for fewer than two runs
 * @param front whether it is on the Pareto front: no configuration has fewer bits and at least its
 *     IoU, or as many bits and a higher IoU
 */
record Result(
    String configuration,
    Map<String, ConfigValue> values,
    int runs,
    int failed,
    double miou,
    double deviation,
    double valIou,
    double pixelAccuracy,
    double bits,
    double nominal,
    double amortized,
    double codesUsed,
    double perplexity,
    boolean front) {

  /** The configurations, by descending mean IoU. */
  static List<Result> of(List<Outcome> outcomes) {
    Map<Map<String, ConfigValue>, List<Outcome>> groups = new LinkedHashMap<>();
    for (Outcome outcome : outcomes) {
      groups.computeIfAbsent(outcome.run().shared(), c -> new ArrayList<>()).add(outcome);
    }
    List<Result> results = new ArrayList<>();
    groups.forEach((values, group) -> results.add(of(values, group)));
    // NaN, of what failed, comes last.
    results.sort(
        Comparator.comparingDouble((Result r) -> Double.isNaN(r.miou) ? 1 : -r.miou)
            .thenComparing(Result::configuration));
    return results.stream().map(r -> r.onFront(results)).toList();
  }

  private static Result of(Map<String, ConfigValue> values, List<Outcome> group) {
    List<Outcome> done = group.stream().filter(o -> !o.failed()).toList();
    double mean = mean(done, Summary::miou);
    double squares = done.stream().mapToDouble(o -> Math.pow(o.summary().miou() - mean, 2)).sum();
    return new Result(
        group.get(0).run().configuration(),
        values,
        done.size(),
        group.size() - done.size(),
        mean,
        done.size() < 2 ? Double.NaN : Math.sqrt(squares / (done.size() - 1)),
        done.stream()
            .map(Outcome::valIou)
            .filter(Objects::nonNull)
            .mapToDouble(Double::doubleValue)
            .average()
            .orElse(Double.NaN),
        mean(done, Summary::pixelAccuracy),
        mean(done, Summary::bitsPerVector),
        mean(done, s -> number(s.compression().nominal())),
        mean(done, s -> number(s.compression().amortized())),
        mean(done, s -> s.codebook() == null ? Double.NaN : s.codebook().used()),
        mean(done, s -> s.codebook() == null ? Double.NaN : s.codebook().perplexity()),
        false);
  }

  private static double number(Double value) {
    return value == null ? Double.NaN : value;
  }

  private static double mean(List<Outcome> done, ToDoubleFunction<Summary> value) {
    return done.stream().map(Outcome::summary).mapToDouble(value).average().orElse(Double.NaN);
  }

  private Result onFront(List<Result> all) {
    boolean beaten =
        all.stream()
            .anyMatch(
                other ->
                    other.bits <= bits
                        && other.miou >= miou
                        && (other.bits < bits || other.miou > miou));
    return new Result(
        configuration,
        values,
        runs,
        failed,
        miou,
        deviation,
        valIou,
        pixelAccuracy,
        bits,
        nominal,
        amortized,
        codesUsed,
        perplexity,
        runs > 0 && !Double.isNaN(miou) && !beaten);
  }
}
