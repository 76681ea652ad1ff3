package io.squeeze.jobs.visualize;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.floor;
import static org.apache.spark.sql.functions.least;
import static org.apache.spark.sql.functions.lit;

import com.fasterxml.jackson.databind.JsonNode;
import io.squeeze.codec.BitPacking;
import io.squeeze.codec.Compression.Bytes;
import io.squeeze.codec.Compression.Ratios;
import io.squeeze.jobs.evaluate.EvaluateJob.Scored;
import io.squeeze.jobs.model.TrainedModels;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.run.CompressionTable;
import io.squeeze.jobs.run.Groups;
import io.squeeze.jobs.run.Groups.Group;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.run.SampleTable;
import io.squeeze.jobs.run.Summary;
import io.squeeze.jobs.run.Summary.Level;
import io.squeeze.metric.CodeUsage;
import io.squeeze.report.Chart;
import io.squeeze.report.Page;
import io.squeeze.report.Picture;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** What the report of a run shows, beside its pictures. */
final class RunReport {
  private static final int BINS = 20;
  private static final String BASELINE = "baseline";

  /** A way to count what codes take. */
  private record Counted(
      String name, Function<Bytes, Double> bytes, Function<Ratios, Double> ratio) {}

  private static final List<Counted> COUNTED =
      List.of(
          new Counted("nominal: a fixed width", Bytes::nominal, Ratios::nominal),
          new Counted("packed: whole bytes a sample", Bytes::packed, Ratios::packed),
          new Counted("entropy: by the codes' frequencies", Bytes::entropy, Ratios::entropy),
          new Counted("stored in Parquet", Bytes::stored, Ratios::stored),
          new Counted("amortized: stored, and the decoder", Bytes::amortized, Ratios::amortized));

  private final SparkSession spark;
  private final TrainedModels trained;
  private final Checkpoint checkpoint;
  private final RunFolder folder;
  private final String split;
  private final String label;

  RunReport(SparkSession spark, TrainedModels trained, RunFolder folder, String split) {
    this.spark = spark;
    this.trained = trained;
    this.checkpoint = trained.checkpoint();
    this.folder = folder;
    this.split = split;
    this.label = label(checkpoint);
  }

  /** What the quantized model is called beside its baseline. */
  static String label(Checkpoint checkpoint) {
    String type = checkpoint.settings().quantizer().type();
    return type.equals("none")
        ? "Prediction"
        : type.substring(type.lastIndexOf('.') + 1).toUpperCase(Locale.ROOT);
  }

  /**
   * The page.
   *
   * @param table of the samples
   * @param pictures of some, under their titles
   */
  Page page(String name, Scored scored, Dataset<Row> table, Map<String, List<Picture>> pictures)
      throws IOException {
    Summary summary = scored.summary();
    Page page =
        new Page(
            name,
            String.format(
                Locale.ROOT,
                "%s on %,d samples of %s, epoch %d",
                label,
                summary.samples(),
                split,
                checkpoint.epoch()));
    headlines(page, summary);
    training(page);
    samples(page, scored, table);
    page.section("Pictures");
    pictures.forEach(
        (title, own) ->
            page.pictures(title, label, own, checkpoint.classNames(), checkpoint.palette()));
    codebook(page, scored);
    compression(page, summary);
    facts(page);
    return page;
  }

  private void headlines(Page page, Summary s) {
    Summary base = s.baseline();
    page.headline("Mean IoU", four(s.miou()), base == null ? "" : "baseline " + four(base.miou()));
    if (base != null) {
      page.headline(
          "IoU kept",
          String.format(Locale.ROOT, "%.1f %%", 100 * s.miou() / base.miou()),
          "of the baseline's");
    }
    page.headline(
        "Times smaller",
        CompressionTable.ratio(s.compression().nominal()),
        String.format(
            Locale.ROOT,
            "%s bits a vector for %d of float32",
            number(s.bitsPerVector()),
            32 * trained.embeddings().manifest().channels()));
    page.headline(
        "Bytes a sample",
        number(s.bytesPerSample().stored()),
        "stored in Parquet, for " + number(s.bytesPerSample().float32()));
    page.headline(
        "Pixel accuracy",
        four(s.pixelAccuracy()),
        base == null ? "" : "baseline " + four(base.pixelAccuracy()));
    if (s.codebook() != null) {
      page.headline(
          "Codes used",
          s.codebook().used() + " of " + s.codebook().size(),
          String.format(Locale.ROOT, "perplexity %.1f", s.codebook().perplexity()));
    }
  }

  private void training(Page page) throws IOException {
    List<JsonNode> epochs = folder.epochs();
    if (epochs.isEmpty()) {
      return;
    }
    page.section("Training");
    List<Chart> charts = new ArrayList<>();
    charts.add(
        Chart.curves(
            "Loss", "loss", curves(epochs, Map.of("train", "train/loss", "val", "val/loss"))));
    charts.add(
        Chart.curves(
            "Mean IoU", "IoU", curves(epochs, Map.of("train", "train/iou", "val", "val/iou"))));
    Map<String, String> perplexities = new LinkedHashMap<>();
    Set<String> names = new LinkedHashSet<>();
    epochs.get(0).fieldNames().forEachRemaining(names::add);
    for (String metric : names) {
      if (metric.startsWith("train/") && metric.endsWith("perplexity")) {
        String level = metric.replaceAll("^train/|/?perplexity$", "").replace('_', ' ');
        perplexities.put(level.isEmpty() ? "codes" : level, metric);
      }
    }
    if (!perplexities.isEmpty()) {
      charts.add(
          Chart.curves("Codes in use", "perplexity in training", curves(epochs, perplexities)));
    }
    page.charts(charts);
  }

  /** Values by epoch, those of a metric that is recorded. */
  private static Map<String, double[]> curves(List<JsonNode> epochs, Map<String, String> metrics) {
    Map<String, double[]> curves = new LinkedHashMap<>();
    metrics.keySet().stream()
        .sorted()
        .forEach(
            name -> {
              double[] values =
                  epochs.stream()
                      .mapToDouble(e -> e.path(metrics.get(name)).asDouble(Double.NaN))
                      .toArray();
              if (Arrays.stream(values).anyMatch(Double::isFinite)) {
                curves.put(name, values);
              }
            });
    return curves;
  }

  private void samples(Page page, Scored scored, Dataset<Row> table) {
    page.section("Samples");
    List<String> bins =
        IntStream.range(0, BINS)
            .mapToObj(i -> String.format(Locale.ROOT, "%.2f", (double) i / BINS))
            .toList();
    Map<String, List<Double>> counts = new LinkedHashMap<>();
    counts.put(label, bins(table, SampleTable.IOU));
    if (trained.baseline() != null) {
      counts.put(BASELINE, bins(table, SampleTable.BASELINE_IOU));
    }
    List<Chart> charts = new ArrayList<>();
    charts.add(Chart.bars("IoU of the samples", "mean IoU, from", "samples", bins, counts));
    charts.add(classes(scored.summary()));
    List<Group> groups = scored.groups();
    Map<String, List<Group>> byColumn = new LinkedHashMap<>();
    groups.forEach(g -> byColumn.computeIfAbsent(g.by(), k -> new ArrayList<>()).add(g));
    byColumn.forEach((by, own) -> charts.add(bars(by, own)));
    page.charts(charts);
    List<String> columns = new ArrayList<>(List.of("by", "group", "samples", "IoU"));
    if (trained.baseline() != null) {
      columns.addAll(List.of("baseline", "difference"));
    }
    List<List<Object>> rows = new ArrayList<>();
    for (Group g : groups) {
      List<Object> row =
          Arrays.asList(g.by(), g.name(), g.samples(), g.iou(), g.baselineIou(), g.difference());
      rows.add(row.subList(0, columns.size()));
    }
    page.table(columns, rows, true);
  }

  private List<Double> bins(Dataset<Row> table, String column) {
    Double[] counts = Collections.nCopies(BINS, 0.0).toArray(Double[]::new);
    table
        .where(col(column).isNotNull())
        .groupBy(least(floor(col(column).multiply(BINS)), lit(BINS - 1)).cast("int").as("bin"))
        .agg(count(lit(1)))
        .collectAsList()
        .forEach(row -> counts[row.getInt(0)] = (double) row.getLong(1));
    return List.of(counts);
  }

  private Chart classes(Summary summary) {
    List<String> names = checkpoint.classNames();
    Map<String, List<Double>> series = new LinkedHashMap<>();
    series.put(label, ious(summary, names));
    if (summary.baseline() != null) {
      series.put(BASELINE, ious(summary.baseline(), names));
    }
    return Chart.bars("IoU of the classes", "", "IoU", names, series);
  }

  private static List<Double> ious(Summary summary, List<String> names) {
    // Without a bar where a class occurs nowhere, not one of 0.
    return names.stream().map(name -> summary.classIou().get(name)).collect(Collectors.toList());
  }

  private Chart bars(String by, List<Group> groups) {
    List<String> names = groups.stream().map(g -> g.name().isEmpty() ? "?" : g.name()).toList();
    Map<String, List<Double>> series = new LinkedHashMap<>();
    series.put(label, groups.stream().map(Group::iou).collect(Collectors.toList()));
    if (trained.baseline() != null) {
      series.put(BASELINE, groups.stream().map(Group::baselineIou).collect(Collectors.toList()));
    }
    List<String> classes = checkpoint.classNames();
    String subject = classes.get(SampleTable.subject(classes));
    String title =
        by.equals(Groups.SIZE)
            ? "Mean IoU by the share of the photo that is " + subject
            : "Mean IoU by " + by;
    return Chart.bars(title, "", "IoU", names, series);
  }

  private void codebook(Page page, Scored scored) {
    int[] sizes = checkpoint.model().quantizer().codebookSizes();
    if (sizes.length == 0) {
      return;
    }
    page.section("Codebook");
    List<long[]> counts = scored.usage().stream().map(CodeUsage::counts).toList();
    List<String> names = IntStream.range(0, sizes.length).mapToObj(i -> "level " + i).toList();
    List<Level> levels = scored.summary().codebook().levels();
    Map<String, List<Double>> bits = new LinkedHashMap<>();
    bits.put("entropy", levels.stream().map(Level::entropyBits).toList());
    bits.put(
        "fixed width",
        Arrays.stream(sizes).mapToObj(size -> (double) BitPacking.bits(size)).toList());
    page.charts(
        List.of(
            Chart.usage("How often each code occurs", counts),
            Chart.bars("Bits of a code", "", "bits", names, bits)));
    List<List<Object>> rows = new ArrayList<>();
    for (int i = 0; i < levels.size(); i++) {
      Level l = levels.get(i);
      rows.add(List.of(i, l.size(), l.used(), l.perplexity(), l.entropyBits()));
    }
    page.table(List.of("level", "codes", "used", "perplexity", "entropy, bits"), rows, false);
  }

  private void compression(Page page, Summary s) {
    page.section("Compression");
    Ratios stored = s.compressionOfStored();
    List<List<Object>> rows = new ArrayList<>();
    rows.add(Arrays.asList("float32", s.bytes().float32(), s.bytesPerSample().float32(), 1, null));
    rows.add(
        Arrays.asList(
            "embeddings as stored",
            s.bytes().embeddings(),
            s.bytesPerSample().embeddings(),
            null,
            1));
    for (Counted counted : COUNTED) {
      rows.add(
          Arrays.asList(
              counted.name(),
              counted.bytes().apply(s.bytes()),
              counted.bytes().apply(s.bytesPerSample()),
              counted.ratio().apply(s.compression()),
              stored == null ? null : counted.ratio().apply(stored)));
    }
    page.table(
        List.of("codes", "bytes", "bytes a sample", "times smaller than float32", "than stored"),
        rows,
        false);
  }

  private void facts(Page page) throws IOException {
    Manifest manifest = trained.embeddings().manifest();
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("embeddings", trained.embeddings().path());
    facts.put("backbone", String.valueOf(manifest.backbone().name()));
    facts.put("backbone SHA-256", checkpoint.backbone());
    facts.put(
        "grid",
        manifest.gridHeight() + " x " + manifest.gridWidth() + " of " + manifest.channels());
    facts.put("epoch", Integer.toString(checkpoint.epoch()));
    facts.put("seed", Long.toString(checkpoint.settings().seed()));
    facts.put("Spark", spark.version());
    facts.put("Java", System.getProperty("java.version"));
    page.section("Configuration and versions").facts(facts).code(folder.configuration());
  }

  private static String four(double value) {
    return String.format(Locale.ROOT, "%.4f", value);
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, value < 1000 ? "%.1f" : "%,.0f", value).replace(".0", "");
  }
}
