package io.squeeze.jobs.query;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.struct;
import static org.apache.spark.sql.functions.to_csv;
import static org.apache.spark.sql.functions.to_json;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.console.TextTable;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.run.Summary;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.sql.SqueezeExtensions;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BinaryType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** Spark SQL over a workspace: results are streamed, a partition at a time. */
public final class QueryJob {
  /** Says in a folder of Parquet that a query wrote it. */
  private static final String MARK = "_query";

  /** How a file is called that a result of a format may replace. */
  private static final Map<Format, List<String>> ENDINGS =
      Map.of(
          Format.TABLE, List.of(".txt"),
          Format.CSV, List.of(".csv"),
          Format.JSON, List.of(".json", ".jsonl"));

  /** As RFC 4180: a quote within quotes is doubled. */
  private static final Map<String, String> QUOTES = Map.of("escape", "\"");

  private final SparkSession spark;
  private final HadoopStorage storage;
  private final Reporter reporter;
  private final Workspace workspace;
  private final Format format;
  private final String out;

  /** How rows are written. */
  public enum Format {
    TABLE,
    CSV,
    JSON,
    PARQUET;

    /** The format of a name, or a sentence that says which there are. */
    public static Format named(String name) {
      try {
        return valueOf(name.toUpperCase(Locale.ROOT));
      } catch (IllegalArgumentException e) {
        throw SqueezeException.usage(
            "No format " + name + " (--format): there are table, csv, json, parquet");
      }
    }
  }

  /**
   * Looks at a workspace. The views that statements read are made when they run.
   *
   * @param out file, or folder of Parquet, to write; null for standard output
   * @throws SqueezeException of category usage if Parquet has no place to go
   */
  public QueryJob(SqueezeSession session, String folder, Format format, String out)
      throws IOException {
    if (format == Format.PARQUET && out == null) {
      throw SqueezeException.usage("--format parquet takes a folder to write (--out)");
    }
    this.spark = session.spark();
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.format = format;
    this.out = out;
    SqueezeExtensions.register(spark);
    // They call any method of the driver's JVM.
    for (String name : List.of("reflect", "java_method")) {
      SparkInternals.drop(spark, name);
    }
    this.workspace = new Workspace(session, folder);
  }

  /** The views that statements may read. */
  private static Predicate<String> read(List<String> statements) {
    String all = String.join("\n", statements).toLowerCase(Locale.ROOT);
    // Others, such as SHOW VIEWS, do not name what they read.
    boolean selects =
        statements.stream()
            .allMatch(text -> text.matches("(?is)\\(*\\s*(select|with|explain|from)\\b.*"));
    Set<String> words = new HashSet<>(Arrays.asList(all.split("\\W+")));
    return name -> !selects || words.contains(name);
  }

  /** Says which views there are, of what, and their columns. */
  public void describe() throws IOException {
    workspace
        .contents()
        .forEach(
            (kind, names) ->
                reporter.result(
                    kind + ": " + (names.isEmpty() ? "none" : String.join(", ", names))));
    reporter.result("");
    for (Map.Entry<String, Dataset<Row>> view : workspace.views().entrySet()) {
      List<String> columns = new ArrayList<>();
      for (StructField field : view.getValue().schema().fields()) {
        columns.add(field.name() + " " + field.dataType().simpleString());
      }
      reporter.result("view " + view.getKey() + " (" + String.join(", ", columns) + ")");
    }
  }

  /**
   * Runs statements. The table format writes the result of every statement. Other formats write the
   * last result only.
   *
   * @param sql one statement, or several that end with a semicolon at the end of a line
   * @throws SqueezeException of category usage if it is no SQL of these views
   */
  public void run(String sql) throws IOException {
    List<String> statements = statements(sql);
    if (statements.isEmpty()) {
      throw SqueezeException.usage("There is no statement in the query (--sql, --file)");
    }
    workspace.views(read(statements)).forEach((name, view) -> view.createOrReplaceTempView(name));
    List<Dataset<Row>> results = new ArrayList<>();
    for (String statement : statements) {
      Dataset<Row> rows = result(statement);
      if (rows.columns().length > 0) {
        if (format != Format.TABLE) {
          results.clear();
        }
        results.add(rows);
      }
    }
    if (format != Format.TABLE) {
      results.forEach(QueryJob::checkNames);
    }
    if (!results.isEmpty()) {
      write(results);
    }
  }

  private static void checkNames(Dataset<Row> rows) {
    Set<String> names = new HashSet<>();
    for (String name : rows.columns()) {
      if (!names.add(name.toLowerCase(Locale.ROOT))) {
        throw SqueezeException.usage(
            "Two columns are called " + name + ": rename one with AS for this --format");
      }
    }
  }

  /** Statements that end with a semicolon at the end of a line, or with the text. */
  public static List<String> statements(String sql) {
    List<String> statements = new ArrayList<>();
    StringBuilder statement = new StringBuilder();
    for (String line : sql.lines().toList()) {
      String text = line.stripTrailing();
      boolean comment = text.stripLeading().startsWith("--");
      boolean ends = !comment && text.endsWith(";");
      statement
          .append(comment ? "" : ends ? text.substring(0, text.length() - 1) : text)
          .append('\n');
      if (ends) {
        statements.add(statement.toString().strip());
        statement.setLength(0);
      }
    }
    statements.add(statement.toString().strip());
    return statements.stream().filter(text -> !text.isEmpty()).toList();
  }

  private Dataset<Row> result(String statement) {
    try {
      return spark.sql(statement);
    } catch (Exception e) {
      // Spark throws both without declaring them; a ParseException is an AnalysisException.
      if (e instanceof AnalysisException problem) {
        String first = problem.getSimpleMessage().strip().lines().findFirst().orElse("");
        throw SqueezeException.usage(first + " (query without --sql lists the views)");
      }
      throw e;
    }
  }

  private void write(List<Dataset<Row>> results) throws IOException {
    if (format == Format.PARQUET) {
      String path = storage.qualified(out);
      if (storage.exists(path) && !storage.exists(Storage.join(path, MARK))) {
        throw SqueezeException.usage(
            path + " exists and is no result of a query: name another folder (--out)");
      }
      Tables.replace(storage, results.get(0), path);
      storage.replace(Storage.join(path, MARK), "Written by submit/squeeze query\n");
      reporter.say("Written: " + path);
    } else if (out != null) {
      String path = storage.qualified(out);
      checkFile(path);
      storage.replace(
          path,
          stream -> {
            PrintStream lines = new PrintStream(stream, false, StandardCharsets.UTF_8);
            print(results, lines);
            lines.flush();
            if (lines.checkError()) {
              throw new IOException("Cannot write " + path);
            }
          });
      reporter.say("Written: " + path);
    } else {
      print(results, reporter.results());
    }
  }

  /** A file is replaced if it may be a result: not what data sets and runs consist of. */
  private void checkFile(String path) throws IOException {
    int slash = path.lastIndexOf('/');
    String folder = path.substring(0, Math.max(0, slash));
    boolean ours =
        path.substring(slash + 1).startsWith("_")
            || storage.exists(Storage.join(folder, Manifest.NAME))
            || storage.exists(Storage.join(folder, RunFolder.LAST))
            || storage.exists(Storage.join(folder, Summary.NAME));
    boolean result = ENDINGS.get(format).stream().anyMatch(path::endsWith);
    if (storage.exists(path) && (ours || !result)) {
      throw SqueezeException.usage(
          "%s exists and is no result of a query: name another file, ending in %s (--out)"
              .formatted(path, String.join(" or ", ENDINGS.get(format))));
    }
  }

  private void print(List<Dataset<Row>> results, PrintStream lines) {
    for (int i = 0; i < results.size(); i++) {
      if (i > 0) {
        lines.println();
      }
      print(results.get(i), lines);
    }
  }

  private void print(Dataset<Row> rows, PrintStream lines) {
    switch (format) {
      case CSV -> {
        lines.println(header(rows));
        lines(texts(rows, to_csv(struct(flat(rows)), QUOTES)), lines);
      }
      case JSON ->
          lines(
              texts(rows, to_json(struct(named(rows)), Map.of("ignoreNullFields", "false"))),
              lines);
      default -> new TextTable(rows.schema()).print(rows.toLocalIterator(), lines);
    }
  }

  /** Writes lines until there are no more, or nobody reads them. */
  private static void lines(Iterator<String> texts, PrintStream lines) {
    for (long i = 1; texts.hasNext(); i++) {
      lines.println(texts.next());
      if (i % TextTable.LOOKED_AT == 0 && lines.checkError()) {
        return;
      }
    }
  }

  private static Iterator<String> texts(Dataset<Row> rows, Column line) {
    return rows.select(line).as(Encoders.STRING()).toLocalIterator();
  }

  private static Column[] named(Dataset<Row> rows) {
    return Arrays.stream(rows.columns()).map(QueryJob::column).toArray(Column[]::new);
  }

  private static Column column(String name) {
    return col("`" + name.replace("`", "``") + "`");
  }

  /** Columns as one cell each: what has parts as JSON, bytes in base64. */
  private static Column[] flat(Dataset<Row> rows) {
    return Arrays.stream(rows.schema().fields())
        .map(
            field -> {
              Column column = column(field.name());
              return parted(field.dataType())
                  ? to_json(column).as(field.name())
                  : field.dataType() instanceof BinaryType
                      ? org.apache.spark.sql.functions.base64(column).as(field.name())
                      : column;
            })
        .toArray(Column[]::new);
  }

  private static boolean parted(DataType type) {
    return type instanceof ArrayType || type instanceof MapType || type instanceof StructType;
  }

  private String header(Dataset<Row> rows) {
    List<Column> names = new ArrayList<>();
    for (String name : rows.columns()) {
      names.add(org.apache.spark.sql.functions.lit(name).as("c" + names.size()));
    }
    return spark
        .range(1)
        .select(to_csv(struct(names.toArray(Column[]::new)), QUOTES))
        .as(Encoders.STRING())
        .first();
  }
}
