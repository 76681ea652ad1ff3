package io.squeeze.jobs.query;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.explode;
import static org.apache.spark.sql.functions.expr;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.codec.Compression.Ratios;
import io.squeeze.config.Json;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.run.SampleTable;
import io.squeeze.jobs.run.Summary;
import io.squeeze.jobs.run.Summary.Codebook;
import io.squeeze.jobs.run.VectorSummary;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** All that the commands published below a folder, as views of Spark SQL. */
public final class Workspace {
  /** Column that tells data sets apart: their path below the folder. */
  static final String DATA_SET = "data_set";

  private static final int DEPTH = 6;
  private static final int MOST_FOLDERS = 20_000;

  private static final StructType REJECTS = Columns.rejects().schema();

  private static final StructType RUNS =
      new StructType()
          .add("run", "string")
          .add("checkpoint", "string")
          .add("quantizer", "string")
          .add("seed", "long")
          .add("evaluation", "string")
          .add("samples", "long")
          .add("miou", "double")
          .add("mean_sample_iou", "double")
          .add("pixel_accuracy", "double")
          .add("bits_per_vector", "double")
          .add("nominal", "double")
          .add("packed", "double")
          .add("entropy", "double")
          .add("stored", "double")
          .add("amortized", "double")
          .add("codes_used", "long")
          .add("codebook_size", "long")
          .add("perplexity", "double")
          .add("baseline_miou", "double")
          .add("mse", "double")
          .add("cosine_similarity", "double")
          .add("recall_at_10", "double");

  private static final StructType CODEBOOK = Columns.codebook().schema();

  private final SparkSession spark;
  private final HadoopStorage storage;
  private final Reporter reporter;
  private final String root;
  private final Map<String, Published> embeddings = new LinkedHashMap<>();
  private final Map<String, Published> codes = new LinkedHashMap<>();
  private final Map<String, Published> predictions = new LinkedHashMap<>();
  private final Map<String, Published> indexes = new LinkedHashMap<>();
  private final Map<String, String> rejects = new LinkedHashMap<>();

  /** Data sets that cannot be used, with the reason: a query that reads them fails. */
  private final Map<String, String> damaged = new LinkedHashMap<>();

  private final Map<String, String> damagedIndexes = new LinkedHashMap<>();

  /** The splits that each run was evaluated on. */
  private final Map<String, List<String>> runs = new LinkedHashMap<>();

  private int visited;

  /** Looks for data sets and runs below a folder, in any Spark session. */
  public Workspace(SparkSession spark, String folder) throws IOException {
    this(SqueezeSession.of(spark, Reporter.standard()), folder);
  }

  /**
   * Looks for data sets and runs below a folder.
   *
   * @throws SqueezeException of category input if there is no such folder, or far too many in it
   */
  public Workspace(SqueezeSession session, String folder) throws IOException {
    this.spark = session.spark();
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.root = storage.qualified(folder);
    if (!storage.exists(root)) {
      throw SqueezeException.input("No folder " + root + " (--workspace)");
    }
    visit("", 0);
  }

  private void visit(String below, int depth) throws IOException {
    if (++visited > MOST_FOLDERS) {
      throw SqueezeException.input(
          root + " has more than " + MOST_FOLDERS + " folders: name a smaller one (--workspace)");
    }
    String folder = below.isEmpty() ? root : Storage.join(root, below);
    List<String> folders;
    try {
      folders =
          storage
              .folders(folder)
              .filter(name -> !name.startsWith("_") && !name.startsWith("."))
              .toList();
    } catch (IOException e) {
      if (below.isEmpty()) {
        throw e;
      }
      reporter.warn("Left out: " + folder + " cannot be listed (" + e.getMessage() + ")");
      return;
    }
    if (storage.exists(Storage.join(folder, RunFolder.LAST))) {
      runs.put(below, evaluated(below));
      return;
    }
    if (folders.stream().anyMatch(Versions::isVersion)) {
      Optional<Published> current = current(below, folder, damaged);
      if (current.isPresent()) {
        String table = current.get().manifest().table();
        switch (table) {
          case Manifest.CODES -> codes.put(below, current.get());
          case Manifest.PREDICTIONS -> predictions.put(below, current.get());
          default -> embeddings.put(below, current.get());
        }
        if (table.equals(Manifest.CODES)) {
          current(below, Storage.join(folder, Versions.INDEX), damagedIndexes)
              .ifPresent(index -> indexes.put(below, index));
        }
        String version = current.get().path().substring(current.get().path().lastIndexOf('/') + 1);
        String bad = Storage.join(folder, "rejects/" + version);
        if (storage.files(bad).keySet().stream().anyMatch(name -> name.endsWith(".parquet"))) {
          rejects.put(below, bad);
        }
      }
      return;
    }
    for (String name : depth < DEPTH ? folders : List.<String>of()) {
      visit(below.isEmpty() ? name : below + "/" + name, depth + 1);
    }
  }

  /** The current version; one that cannot be used ends the queries that read it. */
  private Optional<Published> current(String name, String folder, Map<String, String> unusable)
      throws IOException {
    try {
      return new Versions(storage, folder).current();
    } catch (SqueezeException e) {
      reporter.warn("Not to be queried: " + e.getMessage());
      unusable.put(name, e.getMessage());
      return Optional.empty();
    }
  }

  /** Rows that nobody can read: whoever asks for them is told why. */
  private Dataset<Row> unreadable(String name, String why, StructType columns) {
    UDF1<Long, Boolean> fail =
        id -> {
          throw SqueezeException.input(why);
        };
    List<Column> all = new ArrayList<>(List.of(lit(name).as(DATA_SET)));
    for (StructField field : columns.fields()) {
      all.add(lit(null).cast(field.dataType()).as(field.name()));
    }
    return spark
        .range(1)
        .where(udf(fail, DataTypes.BooleanType).apply(col("id")))
        .select(all.toArray(Column[]::new));
  }

  /** What lies below the folder: names by kind. */
  Map<String, List<String>> contents() {
    Map<String, List<String>> contents = new LinkedHashMap<>();
    contents.put("embeddings", List.copyOf(embeddings.keySet()));
    contents.put("codes", List.copyOf(codes.keySet()));
    contents.put("predictions", List.copyOf(predictions.keySet()));
    contents.put("runs", List.copyOf(runs.keySet()));
    return contents;
  }

  /** The views by name; those of which there is nothing are empty. */
  public Map<String, Dataset<Row>> views() throws IOException {
    return views(name -> true);
  }

  /** Those of the views whose names are wanted: what nobody reads is not opened. */
  Map<String, Dataset<Row>> views(Predicate<String> wanted) throws IOException {
    Map<String, Dataset<Row>> views = new LinkedHashMap<>();
    Tables.readBatches(spark, largestRow());
    for (View view : View.values()) {
      String name = view.name().toLowerCase(Locale.ROOT);
      if (wanted.test(name)) {
        views.put(name, view(view));
      }
    }
    return views;
  }

  private enum View {
    EMBEDDINGS,
    PATCHES,
    CODES,
    CODEBOOK,
    PREDICTIONS,
    INDEX,
    LISTS,
    SAMPLES,
    REJECTS,
    RUNS
  }

  private Dataset<Row> view(View view) throws IOException {
    return switch (view) {
      case EMBEDDINGS -> embeddings(table -> true);
      case PATCHES -> patches(embeddings(table -> !table.equals(Manifest.POOLED)));
      case CODES -> tables(codes, Columns.codes(List.of()).withSplit());
      case CODEBOOK -> codebook();
      case PREDICTIONS ->
          tables(predictions, Columns.predictions(List.of(), List.of()).withSplit());
      case INDEX -> indexed(index -> index.indexed(spark), Columns.index(List.of()).schema());
      case LISTS -> indexed(index -> index.lists(spark), Columns.lists().schema());
      case SAMPLES -> samples();
      case REJECTS -> rejects();
      case RUNS -> runs();
    };
  }

  /** The embeddings whose manifest names one of the wanted kinds. */
  private Dataset<Row> embeddings(Predicate<String> wanted) {
    Map<String, Published> some = new LinkedHashMap<>(embeddings);
    some.values().removeIf(version -> !wanted.test(version.manifest().table()));
    return tables(some, Columns.embeddings(List.of()).withSplit());
  }

  /** Bytes of the largest row of embeddings. */
  private long largestRow() {
    return embeddings.values().stream()
        .map(Published::manifest)
        .mapToLong(m -> 4L * m.positions() * m.channels() + (long) m.size() * m.size())
        .max()
        .orElse(1);
  }

  private Dataset<Row> tables(Map<String, Published> published, StructType empty) {
    List<Dataset<Row>> all = new ArrayList<>();
    published.forEach(
        (name, version) -> all.add(version.read(spark).select(lit(name).as(DATA_SET), col("*"))));
    damaged.forEach((name, why) -> all.add(unreadable(name, why, empty)));
    return union(all, empty.add(DATA_SET, "string"));
  }

  private Dataset<Row> union(List<Dataset<Row>> tables, StructType empty) {
    return tables.stream()
        .reduce((a, b) -> a.unionByName(b, true))
        .orElseGet(() -> spark.createDataFrame(List.of(), empty));
  }

  /** A row for each vector of each grid. */
  private static Dataset<Row> patches(Dataset<Row> grids) {
    return grids
        .withColumn("place", explode(expr("sequence(0, grid_height * grid_width - 1)")))
        .withColumn("y", expr("cast(place div grid_width AS int)"))
        .withColumn("x", expr("place % grid_width"))
        .withColumn(Columns.VECTOR, expr("embedding_at(embedding, y, x)"))
        .drop(
            "place",
            Columns.EMBEDDING,
            Columns.MASK,
            Columns.HEIGHT,
            Columns.WIDTH,
            Columns.CHANNELS,
            Columns.GRID_HEIGHT,
            Columns.GRID_WIDTH,
            Columns.DTYPE);
  }

  private Dataset<Row> codebook() {
    List<Dataset<Row>> all = new ArrayList<>();
    codes.forEach(
        (name, version) ->
            all.add(version.codebook(spark).select(lit(name).as(DATA_SET), col("*"))));
    damaged.forEach((name, why) -> all.add(unreadable(name, why, CODEBOOK)));
    return union(all, CODEBOOK.add(DATA_SET, "string"));
  }

  private Dataset<Row> indexed(Function<Published, Dataset<Row>> rows, StructType empty) {
    List<Dataset<Row>> all = new ArrayList<>();
    indexes.forEach(
        (name, index) -> all.add(rows.apply(index).select(lit(name).as(DATA_SET), col("*"))));
    damagedIndexes.forEach((name, why) -> all.add(unreadable(name, why, empty)));
    return union(all, empty.add(DATA_SET, "string"));
  }

  private Dataset<Row> rejects() {
    List<Dataset<Row>> all = new ArrayList<>();
    rejects.forEach(
        (name, folder) ->
            all.add(
                spark
                    .read()
                    .schema(REJECTS)
                    .parquet(HadoopStorage.literal(folder))
                    .select(lit(name).as(DATA_SET), col("*"))));
    return union(all, REJECTS.add(DATA_SET, "string"));
  }

  private Dataset<Row> samples() throws IOException {
    List<Dataset<Row>> all = new ArrayList<>();
    for (String run : runs.keySet()) {
      for (String split : runs.get(run)) {
        String folder = Storage.join(folder(run).evaluation(split), SampleTable.NAME);
        // Version 0.1.0 wrote none for vectors.
        if (storage.exists(folder)) {
          all.add(
              spark
                  .read()
                  .parquet(HadoopStorage.literal(folder))
                  .select(lit(run).as("run"), lit(split).as("evaluation"), col("*")));
        }
      }
    }
    return union(
        all,
        SampleTable.schema(List.of(), List.of()).add("run", "string").add("evaluation", "string"));
  }

  private RunFolder folder(String run) {
    return new RunFolder(storage, run.isEmpty() ? root : Storage.join(root, run));
  }

  /** The splits that a run was evaluated on. */
  private List<String> evaluated(String run) throws IOException {
    String folder = folder(run).evaluation("");
    List<String> splits = new ArrayList<>();
    for (String split : storage.folders(folder).toList()) {
      if (storage.exists(Storage.join(folder(run).evaluation(split), Summary.NAME))) {
        splits.add(split);
      }
    }
    return splits;
  }

  private Dataset<Row> runs() throws IOException {
    List<Row> rows = new ArrayList<>();
    for (String run : runs.keySet()) {
      List<String> splits = runs.get(run);
      for (String split : splits) {
        String file = Storage.join(folder(run).evaluation(split), Summary.NAME);
        rows.add(row(run, split, summary(file)));
      }
      if (splits.isEmpty()) {
        rows.add(row(run, null, Map.of()));
      }
    }
    return spark.createDataFrame(rows, RUNS);
  }

  /** What a summary says, by column; nothing where it cannot be read. */
  private Map<String, Object> summary(String file) throws IOException {
    try {
      String json = storage.text(file);
      return Json.tree(json, file).has("miou")
          ? cells(Summary.parse(json, file))
          : cells(VectorSummary.parse(json, file));
    } catch (SqueezeException e) {
      reporter.warn("Left out: " + e.getMessage());
      return Map.of();
    }
  }

  private Optional<Settings> settings(String run) throws IOException {
    try {
      return folder(run).settings();
    } catch (SqueezeException e) {
      reporter.warn("Left out: " + e.getMessage());
      return Optional.empty();
    }
  }

  private static Map<String, Object> cells(Summary summary) {
    Map<String, Object> cells = new HashMap<>();
    cells.put("samples", summary.samples());
    cells.put("miou", summary.miou());
    cells.put("mean_sample_iou", summary.meanSampleIou());
    cells.put("pixel_accuracy", summary.pixelAccuracy());
    cells.put("bits_per_vector", summary.bitsPerVector());
    Ratios ratios = summary.compression();
    cells.put("nominal", ratios.nominal());
    cells.put("packed", ratios.packed());
    cells.put("entropy", ratios.entropy());
    cells.put("stored", ratios.stored());
    cells.put("amortized", ratios.amortized());
    add(cells, summary.codebook());
    if (summary.baseline() != null) {
      cells.put("baseline_miou", summary.baseline().miou());
    }
    if (summary.kept() != null) {
      cells.put("mse", summary.kept().meanSquaredError());
      cells.put("cosine_similarity", summary.kept().cosineSimilarity());
      cells.put("recall_at_10", summary.kept().recall());
    }
    return cells;
  }

  private static Map<String, Object> cells(VectorSummary summary) {
    Map<String, Object> cells = new HashMap<>();
    cells.put("samples", summary.samples());
    cells.put("bits_per_vector", summary.bitsPerVector());
    cells.put("nominal", summary.compression().nominal());
    add(cells, summary.codebook());
    cells.put("mse", summary.error());
    cells.put("cosine_similarity", summary.cosine());
    cells.put("recall_at_10", summary.recall());
    return cells;
  }

  private static void add(Map<String, Object> cells, Codebook codebook) {
    if (codebook != null) {
      cells.put("codes_used", codebook.used());
      cells.put("codebook_size", codebook.size());
      cells.put("perplexity", codebook.perplexity());
    }
  }

  private Row row(String run, String split, Map<String, Object> summary) throws IOException {
    Optional<Settings> settings = settings(run);
    Map<String, Object> cells = new HashMap<>(summary);
    cells.put("run", run);
    cells.put("checkpoint", folder(run).path(RunFolder.LAST));
    cells.put("quantizer", settings.map(s -> s.quantizer().type()).orElse(null));
    cells.put("seed", settings.map(Settings::seed).orElse(null));
    cells.put("evaluation", split);
    return RowFactory.create(Arrays.stream(RUNS.fieldNames()).map(cells::get).toArray());
  }
}
