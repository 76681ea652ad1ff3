package io.squeeze.jobs.grid;

import com.typesafe.config.ConfigValue;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.report.Chart;
import io.squeeze.report.Page;
import io.squeeze.report.RateChart.Point;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;

/** What a grid came to: tables of its runs and its configurations, and their picture. */
final class GridTable {
  private final SparkSession spark;
  private final HadoopStorage storage;
  private final Reporter reporter;
  private final String folder;
  private final GridRuns kind;
  private final Measured measured;

  GridTable(SqueezeSession session, String folder, GridRuns kind) {
    this.spark = session.spark();
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.folder = folder;
    this.kind = kind;
    this.measured = kind.measured();
  }

  private List<Result> ranked(List<Outcome> outcomes) {
    return Result.of(outcomes, measured.ranked());
  }

  /** Writes results.csv and runs.csv, as far as the grid has come. */
  void writeText(List<Outcome> outcomes) throws IOException {
    storage.replace(Storage.join(folder, "results.csv"), results(ranked(outcomes)).csv());
    storage.replace(Storage.join(folder, "runs.csv"), runs(outcomes).csv());
  }

  /** Writes the tables as Parquet, too, and draws picture and report; the ranking's rows. */
  List<Map<String, Object>> write(List<Outcome> outcomes) throws IOException {
    writeText(outcomes);
    JobDescription.name(spark, "grid " + folder, "tables");
    List<Result> ranked = ranked(outcomes);
    ResultTable results = results(ranked);
    ResultTable runs = runs(outcomes);
    results.write(spark, storage, Storage.join(folder, "results.parquet"));
    runs.write(spark, storage, Storage.join(folder, "runs.parquet"));
    List<Point> points = points(ranked);
    Chart chart = null;
    if (!points.isEmpty()) {
      chart = measured.chart(kind.rankedBy(), points);
      String picture = Storage.join(folder, "rate_distortion");
      storage.replace(picture + ".png", chart::png);
      storage.replace(picture + ".svg", chart::svg);
    }
    String name = folder.substring(folder.lastIndexOf('/') + 1);
    Page page = new GridReport(storage, name, kind).page(outcomes, ranked, results, runs, chart);
    storage.replace(Storage.join(folder, "report.html"), page::write);
    return results.maps();
  }

  private List<Point> points(List<Result> results) {
    return results.stream()
        .filter(r -> Double.isFinite(r.mean(measured.ranked().key())) && r.bits() > 0)
        .map(
            r ->
                new Point(
                    r.configuration(),
                    r.settings().containsKey("quantizer.type")
                        ? GridPlan.text(r.settings().get("quantizer.type"))
                        : "runs",
                    r.bits(),
                    r.mean(measured.ranked().key()),
                    Double.isNaN(r.deviation()) ? 0 : r.deviation(),
                    r.front()))
        .toList();
  }

  private ResultTable results(List<Result> results) {
    Set<String> keys = new LinkedHashSet<>();
    results.forEach(r -> keys.addAll(r.settings().keySet()));
    Map<String, DataType> columns = new LinkedHashMap<>();
    columns.put("rank", DataTypes.LongType);
    columns.put("configuration", DataTypes.StringType);
    keys.forEach(key -> columns.put(column(key), DataTypes.StringType));
    columns.put("n", DataTypes.LongType);
    columns.put("failed", DataTypes.LongType);
    measured
        .columns()
        .forEach(
            (key, name) -> {
              columns.put(name, DataTypes.DoubleType);
              if (key.equals(measured.ranked().key())) {
                columns.put(key + "_std", DataTypes.DoubleType);
              }
            });
    columns.put("pareto", DataTypes.BooleanType);
    List<List<Object>> rows = new ArrayList<>();
    for (Result r : results) {
      List<Object> row = new ArrayList<>();
      row.add(rows.size() + 1L);
      row.add(r.configuration());
      keys.forEach(key -> row.add(text(r.settings().get(key))));
      row.add((long) r.runs());
      row.add((long) r.failed());
      for (String key : measured.ofResults()) {
        row.add(known(r.mean(key)));
        if (key.equals(measured.ranked().key())) {
          row.add(known(r.deviation()));
        }
      }
      row.add(r.front());
      rows.add(row);
    }
    return new ResultTable(columns, rows);
  }

  private static Double known(double value) {
    return Double.isNaN(value) ? null : Double.valueOf(value);
  }

  private ResultTable runs(List<Outcome> outcomes) {
    Map<String, DataType> columns = new LinkedHashMap<>();
    for (String name : List.of("run", "configuration", "seed", "status", "error", "folder")) {
      columns.put(name, DataTypes.StringType);
    }
    columns.put("epochs", DataTypes.LongType);
    measured.ofRuns().forEach(name -> columns.put(name, DataTypes.DoubleType));
    List<List<Object>> rows = new ArrayList<>();
    for (Outcome o : outcomes) {
      List<Object> row = new ArrayList<>();
      row.add(o.run().name());
      row.add(o.run().configuration());
      row.add(text(o.run().values().get(GridPlan.SEED)));
      row.add(o.failed() ? "failed" : "done");
      row.add(o.error());
      row.add(o.folder());
      row.add((long) o.epochs());
      measured.ofRuns().forEach(name -> row.add(known(o.value(name))));
      rows.add(row);
    }
    return new ResultTable(columns, rows);
  }

  private static String column(String key) {
    return key.replace('.', '_').replace('-', '_');
  }

  private static String text(ConfigValue value) {
    return value == null ? null : GridPlan.text(value);
  }

  /** Prints the ranking. */
  void print(List<Outcome> outcomes) {
    List<Result> results = ranked(outcomes);
    int width = results.stream().mapToInt(r -> r.configuration().length()).max().orElse(0);
    width = Math.max(width, "configuration".length());
    int second = Math.max(7, measured.second().header().length());
    String form = "%4s  %-" + width + "s  %3s  %-16s  %-" + second + "s  %-8s  %-9s  %s";
    String ranked = measured.ranked().key();
    String header = measured.ranked().header();
    reporter.result(
        String.format(
            Locale.ROOT,
            form,
            "rank",
            "configuration",
            "n",
            measured.isOfPhotos() ? header + " " + kind.rankedBy() : header,
            measured.second().header(),
            "bits",
            "nominal",
            "Pareto"));
    int rank = 0;
    for (Result r : results) {
      rank++;
      String spread =
          Double.isNaN(r.deviation()) ? "" : String.format(Locale.ROOT, " +- %.4f", r.deviation());
      reporter.result(
          String.format(
              Locale.ROOT,
              form,
              rank,
              r.configuration(),
              r.runs() + (r.failed() > 0 ? "!" : ""),
              number("%.4f", r.mean(ranked)) + spread,
              number("%.4f", r.mean(measured.second().key())),
              number("%.0f", r.bits()),
              number("%.0fx", r.mean(Measured.NOMINAL)),
              r.front() ? "*" : ""));
    }
    for (Outcome o : outcomes) {
      if (o.failed()) {
        reporter.result("  failed: " + o.run().name() + ": " + o.error());
      }
    }
    reporter.result("");
    reporter.result(
        "Written: "
            + folder
            + "/report.html, results.csv, results.parquet, rate_distortion.png, .svg");
  }

  private static String number(String form, double value) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, form, value);
  }
}
