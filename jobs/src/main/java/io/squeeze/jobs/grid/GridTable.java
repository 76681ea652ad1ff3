package io.squeeze.jobs.grid;

import com.typesafe.config.ConfigValue;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.report.Chart;
import io.squeeze.report.Page;
import io.squeeze.report.RateChart;
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
  private final String split;

  GridTable(SqueezeSession session, String folder, String split) {
    this.spark = session.spark();
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.folder = folder;
    this.split = split;
  }

  /** Writes results.csv and runs.csv, as far as the grid has come. */
  void writeText(List<Outcome> outcomes) throws IOException {
    storage.replace(Storage.join(folder, "results.csv"), results(Result.of(outcomes)).csv());
    storage.replace(Storage.join(folder, "runs.csv"), runs(outcomes).csv());
  }

  /** Writes the tables as Parquet, too, and draws picture and report; the ranking's rows. */
  List<Map<String, Object>> write(List<Outcome> outcomes) throws IOException {
    writeText(outcomes);
    JobDescription.name(spark, "grid " + folder, "tables");
    List<Result> ranked = Result.of(outcomes);
    ResultTable results = results(ranked);
    ResultTable runs = runs(outcomes);
    results.write(spark, storage, Storage.join(folder, "results.parquet"));
    runs.write(spark, storage, Storage.join(folder, "runs.parquet"));
    List<Point> points = points(ranked);
    Chart chart = null;
    if (!points.isEmpty()) {
      chart = RateChart.of("Rate and distortion", "mean IoU, " + split, points);
      String picture = Storage.join(folder, "rate_distortion");
      storage.replace(picture + ".png", chart::png);
      storage.replace(picture + ".svg", chart::svg);
    }
    String name = folder.substring(folder.lastIndexOf('/') + 1);
    Page page = new GridReport(storage, name, split).page(outcomes, ranked, results, runs, chart);
    storage.replace(Storage.join(folder, "report.html"), page::write);
    return results.maps();
  }

  private static List<Point> points(List<Result> results) {
    return results.stream()
        .filter(r -> Double.isFinite(r.miou()) && r.bits() > 0)
        .map(
            r ->
                new Point(
                    r.configuration(),
                    r.values().containsKey("quantizer.type")
                        ? GridPlan.text(r.values().get("quantizer.type"))
                        : "runs",
                    r.bits(),
                    r.miou(),
                    Double.isNaN(r.deviation()) ? 0 : r.deviation(),
                    r.front()))
        .toList();
  }

  private static ResultTable results(List<Result> results) {
    Set<String> keys = new LinkedHashSet<>();
    results.forEach(r -> keys.addAll(r.values().keySet()));
    Map<String, DataType> columns = new LinkedHashMap<>();
    columns.put("rank", DataTypes.LongType);
    columns.put("configuration", DataTypes.StringType);
    keys.forEach(key -> columns.put(column(key), DataTypes.StringType));
    columns.put("n", DataTypes.LongType);
    columns.put("failed", DataTypes.LongType);
    for (String name :
        List.of(
            "miou_mean",
            "miou_std",
            "val_iou_mean",
            "pixel_accuracy_mean",
            "bits_per_vector",
            "nominal",
            "amortized",
            "codes_used_mean",
            "perplexity_mean")) {
      columns.put(name, DataTypes.DoubleType);
    }
    columns.put("pareto", DataTypes.BooleanType);
    List<List<Object>> rows = new ArrayList<>();
    for (Result r : results) {
      List<Object> row = new ArrayList<>();
      row.add(rows.size() + 1L);
      row.add(r.configuration());
      keys.forEach(key -> row.add(text(r.values().get(key))));
      row.add((long) r.runs());
      row.add((long) r.failed());
      for (double value :
          new double[] {
            r.miou(),
            r.deviation(),
            r.valIou(),
            r.pixelAccuracy(),
            r.bits(),
            r.nominal(),
            r.amortized(),
            r.codesUsed(),
            r.perplexity()
          }) {
        row.add(Double.isNaN(value) ? null : value);
      }
      row.add(r.front());
      rows.add(row);
    }
    return new ResultTable(columns, rows);
  }

  private static ResultTable runs(List<Outcome> outcomes) {
    Map<String, DataType> columns = new LinkedHashMap<>();
    for (String name : List.of("run", "configuration", "seed", "status", "error", "folder")) {
      columns.put(name, DataTypes.StringType);
    }
    columns.put("epochs", DataTypes.LongType);
    for (String name : List.of("miou", "val_iou", "bits_per_vector")) {
      columns.put(name, DataTypes.DoubleType);
    }
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
      row.add(o.failed() ? null : o.summary().miou());
      row.add(o.valIou());
      row.add(o.failed() ? null : o.summary().bitsPerVector());
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
    List<Result> results = Result.of(outcomes);
    int width = results.stream().mapToInt(r -> r.configuration().length()).max().orElse(0);
    width = Math.max(width, "configuration".length());
    String form = "%4s  %-" + width + "s  %3s  %-16s  %-7s  %-8s  %-9s  %s";
    reporter.result(
        String.format(
            Locale.ROOT,
            form,
            "rank",
            "configuration",
            "n",
            "mIoU " + split,
            "val",
            "bits",
            "nominal",
            "Pareto"));
    int rank = 0;
    for (Result r : results) {
      rank++;
      String iou = Double.isNaN(r.miou()) ? "-" : String.format(Locale.ROOT, "%.4f", r.miou());
      String spread =
          Double.isNaN(r.deviation()) ? "" : String.format(Locale.ROOT, " +- %.4f", r.deviation());
      reporter.result(
          String.format(
              Locale.ROOT,
              form,
              rank,
              r.configuration(),
              r.runs() + (r.failed() > 0 ? "!" : ""),
              iou + spread,
              Double.isNaN(r.valIou()) ? "-" : String.format(Locale.ROOT, "%.4f", r.valIou()),
              Double.isNaN(r.bits()) ? "-" : String.format(Locale.ROOT, "%.0f", r.bits()),
              Double.isNaN(r.nominal()) ? "-" : String.format(Locale.ROOT, "%.0fx", r.nominal()),
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
}
