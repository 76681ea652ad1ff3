package io.squeeze.jobs.grid;

import com.fasterxml.jackson.databind.JsonNode;
import io.squeeze.jobs.grid.Measured.Quantity;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.report.Chart;
import io.squeeze.report.Page;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What the report of a grid shows: its ranking, rate against distortion, each run's curve. */
final class GridReport {
  /** More lines than this cannot be told apart. */
  private static final int CURVES = 16;

  private final HadoopStorage storage;
  private final String name;
  private final GridRuns kind;

  GridReport(HadoopStorage storage, String name, GridRuns kind) {
    this.storage = storage;
    this.name = name;
    this.kind = kind;
  }

  /**
   * The page.
   *
   * @param ranked the configurations of the outcomes
   * @param rates the points of the configurations; null where there is none
   */
  Page page(
      List<Outcome> outcomes,
      List<Result> ranked,
      ResultTable results,
      ResultTable runs,
      Chart rates)
      throws IOException {
    long failed = outcomes.stream().filter(Outcome::failed).count();
    Page page =
        new Page(
            "Grid " + name,
            String.format(
                Locale.ROOT,
                "%d runs, %d failed, ranked by %s",
                outcomes.size(),
                failed,
                kind.rankedBy()));
    Result best = ranked.get(0);
    Quantity by = kind.measured().ranked();
    if (best.runs() > 0) {
      page.headline(
          by.rises() ? "Best " + by.title() : "Least " + by.title(),
          String.format(Locale.ROOT, "%.4f", best.mean(by.key())),
          best.configuration());
      page.headline(
          "Its size",
          String.format(Locale.ROOT, "%.0f bits", best.bits()),
          String.format(
              Locale.ROOT, "a vector, %,.0fx smaller than float32", best.mean(Measured.NOMINAL)));
    }
    page.headline("Configurations", Integer.toString(ranked.size()), outcomes.size() + " runs");
    page.section("Configurations");
    if (rates != null) {
      page.charts(List.of(rates));
    }
    page.table(List.copyOf(results.columns().keySet()), results.rows(), true);
    page.section("Runs");
    Map<String, double[]> curves = curves(outcomes);
    if (!curves.isEmpty()) {
      String title = "Held-out mean IoU" + (curves.size() == CURVES ? " of the best runs" : "");
      page.charts(List.of(Chart.curves(title, "IoU", curves)));
    }
    page.table(List.copyOf(runs.columns().keySet()), runs.rows(), true);
    page.section("What the best run was trained with");
    return page.code(new RunFolder(storage, folder(outcomes, best)).configuration());
  }

  private String folder(List<Outcome> outcomes, Result best) {
    return outcomes.stream()
        .filter(o -> o.run().configuration().equals(best.configuration()))
        .min(byRank())
        .orElseThrow()
        .folder();
  }

  private Comparator<Outcome> byRank() {
    Quantity ranked = kind.measured().ranked();
    return Comparator.comparingDouble(o -> ranked.rank(o.value(ranked.key())));
  }

  /** Of the best runs, by their ranking. */
  private Map<String, double[]> curves(List<Outcome> outcomes) throws IOException {
    List<Outcome> done = new ArrayList<>(outcomes.stream().filter(o -> !o.failed()).toList());
    done.sort(byRank());
    Map<String, double[]> curves = new LinkedHashMap<>();
    for (Outcome outcome : done.subList(0, Math.min(CURVES, done.size()))) {
      List<JsonNode> epochs = new RunFolder(storage, outcome.folder()).epochs();
      double[] values =
          epochs.stream().mapToDouble(e -> e.path("val/iou").asDouble(Double.NaN)).toArray();
      // A fit to a table has no epochs.
      if (Arrays.stream(values).anyMatch(Double::isFinite)) {
        curves.put(outcome.run().name(), values);
      }
    }
    return curves;
  }
}
