package io.squeeze.jobs.publish;

import com.fasterxml.jackson.databind.JsonNode;
import io.squeeze.backbone.BackboneFile;
import io.squeeze.config.Json;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.ScalaLists;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.jobs.storage.TableFile;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.hadoop.fs.ChecksumException;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.column.Encoding;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.metadata.ColumnChunkMetaData;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.apache.parquet.schema.Type;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.execution.datasources.parquet.ParquetToSparkSchemaConverter;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/**
 * Parquet that another tool wrote. Only the columns that are asked for are read, so a type that
 * Spark lacks does no harm in the others. Every file below the path belongs to the table, at any
 * depth; folders {@code name=value} are columns of text. The footers say how many rows there are.
 */
public final class ForeignTable {
  private static final String SPARK_SCHEMA = "org.apache.spark.sql.parquet.row.metadata";
  private static final List<String> EMBEDDINGS = List.of(Manifest.EMBEDDINGS, Manifest.POOLED);
  private static final String VECTOR_CLASS = "org.apache.spark.ml.linalg.VectorUDT";

  private final SparkSession spark;
  private final String path;
  private final String option;
  private final List<String> columns;
  private final List<TableFile> files;
  private final Map<String, Footer> footers = new LinkedHashMap<>();

  /**
   * What a file's footer says of the columns.
   *
   * @param schema of those that it has, as Parquet writes a schema
   * @param others the names of all columns, where it lacks one that is asked for; else empty
   * @param vectors those that are Spark ML's Vector, which Parquet does not say
   * @param split whether floats are stored byte by byte, which Spark's fast reader does not know
   * @param problem why it cannot be read; null if it can
   */
  private record Footer(
      String file,
      long rows,
      String schema,
      List<String> vectors,
      List<String> others,
      boolean split,
      String problem)
      implements Serializable {

    /** Equal for files that can be read together. */
    String kind() {
      return schema + vectors;
    }
  }

  private ForeignTable(
      SparkSession spark, String path, String option, List<String> columns, List<TableFile> files) {
    this.spark = spark;
    this.path = path;
    this.option = option;
    this.columns = columns;
    this.files = files;
  }

  /**
   * Opens a table and reads its footers, in tasks.
   *
   * @param path of a file or a folder, or a pattern of them
   * @param option that names it, for messages
   * @param columns that are asked for
   * @throws SqueezeException of category input if it or one of these columns cannot be read
   */
  public static ForeignTable open(
      SqueezeSession session, String path, String option, List<String> columns) throws IOException {
    HadoopStorage storage = session.storage();
    String full = located(storage, path);
    List<TableFile> files = storage.tableFiles(full);
    if (files.isEmpty()) {
      throw SqueezeException.input(
          storage.exists(full)
              ? "%s holds no files (%s)".formatted(full, option)
              : "No table at %s (%s)".formatted(path, option));
    }
    List<String> distinct = new ArrayList<>(new LinkedHashSet<>(columns));
    ForeignTable table = new ForeignTable(session.spark(), full, option, distinct, files);
    table.readFooters(storage);
    return table;
  }

  /** The path; of a data set of embeddings its current version, whose rows are a table, too. */
  private static String located(HadoopStorage storage, String path) throws IOException {
    return new Versions(storage, path)
        .current()
        .filter(version -> EMBEDDINGS.contains(version.manifest().table()))
        .map(Published::path)
        .orElse(storage.qualified(path));
  }

  private void readFooters(HadoopStorage storage) {
    List<String> asked = columns;
    List<String> names = files.stream().map(TableFile::path).toList();
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    int tasks = Math.min(names.size(), context.defaultParallelism());
    for (Footer footer :
        context.parallelize(names, tasks).map(name -> footer(storage, name, asked)).collect()) {
      if (footer.problem() != null) {
        throw SqueezeException.input(
            "Cannot read %s (%s): %s".formatted(footer.file(), option, footer.problem()));
      }
      for (String column : columns) {
        if (!footer.others().isEmpty()
            && !type(footer).containsField(column)
            && !folders(footer.file()).contains(column)) {
          throw SqueezeException.input(
              "There is no column %s in %s (%s): there are %s"
                  .formatted(column, footer.file(), option, String.join(", ", footer.others())));
        }
      }
      footers.put(footer.file(), footer);
    }
  }

  private static Footer footer(HadoopStorage storage, String file, List<String> columns) {
    try (ParquetFileReader reader =
        ParquetFileReader.open(HadoopInputFile.fromPath(new Path(file), storage.configuration()))) {
      MessageType all = reader.getFooter().getFileMetaData().getSchema();
      List<Type> found = columns.stream().filter(all::containsField).map(all::getType).toList();
      List<String> others =
          found.size() == columns.size()
              ? List.of()
              : all.getFields().stream().map(Type::getName).toList();
      long rows = 0;
      boolean split = false;
      for (BlockMetaData block : reader.getFooter().getBlocks()) {
        rows += block.getRowCount();
        for (ColumnChunkMetaData chunk : block.getColumns()) {
          split |=
              columns.contains(chunk.getPath().toArray()[0])
                  && chunk.getEncodings().contains(Encoding.BYTE_STREAM_SPLIT);
        }
      }
      String schema = new MessageType("table", found).toString();
      String spark = reader.getFooter().getFileMetaData().getKeyValueMetaData().get(SPARK_SCHEMA);
      return new Footer(file, rows, schema, vectors(spark, columns), others, split, null);
    } catch (ChecksumException e) {
      Path path = new Path(file);
      return unreadable(
          file,
          "it does not match %s, which an earlier writer left; if the file is good, delete that one"
              .formatted(new Path(path.getParent(), "." + path.getName() + ".crc")));
    } catch (IOException | RuntimeException e) {
      return unreadable(file, String.valueOf(e.getMessage()).lines().findFirst().orElse("?"));
    }
  }

  private static Footer unreadable(String file, String why) {
    return new Footer(file, 0, "", List.of(), List.of(), false, why);
  }

  /** Of the columns those that Spark's own schema calls Vector; its classes are not loaded. */
  private static List<String> vectors(String schema, List<String> columns) {
    List<String> found = new ArrayList<>();
    if (schema != null) {
      for (JsonNode field : Json.tree(schema, SPARK_SCHEMA).path("fields")) {
        String name = field.path("name").asText();
        if (columns.contains(name)
            && field.path("type").path("class").asText().equals(VECTOR_CLASS)) {
          found.add(name);
        }
      }
    }
    return found;
  }

  private static MessageType type(Footer footer) {
    return MessageTypeParser.parseMessageType(footer.schema());
  }

  /** The columns that the folders of a file's path name, from the top down. */
  private static List<String> folders(String file) {
    List<String> found = new ArrayList<>();
    for (String part : new Path(file).getParent().toUri().getPath().split("/", -1)) {
      int equals = part.indexOf('=');
      if (equals > 0) {
        found.add(part.substring(0, equals));
      }
    }
    return found;
  }

  /** The path in full. */
  public String path() {
    return path;
  }

  /** Its files. */
  public List<TableFile> files() {
    return files;
  }

  /** Rows of all files, as their footers say. */
  public long count() {
    return footers.values().stream().mapToLong(Footer::rows).sum();
  }

  /** Changes where a file comes, goes or changes. */
  public String digest() {
    return digest(files);
  }

  /** The same of a table's files. */
  public static String digest(List<TableFile> files) {
    StringBuilder lines = new StringBuilder();
    files.forEach(file -> lines.append(file).append('\n'));
    return BackboneFile.digest(lines.toString()).substring(0, 16);
  }

  /** The rows of all files: the columns that were asked for. */
  public Dataset<Row> rows() {
    return rows(files);
  }

  /** The rows of some files. Where types differ between files, numbers become double. */
  public Dataset<Row> rows(List<TableFile> some) {
    Map<String, List<String>> byKind = new LinkedHashMap<>();
    boolean split = false;
    for (TableFile file : some) {
      Footer footer = footers.get(file.path());
      split |= footer.split();
      byKind.computeIfAbsent(footer.kind(), kind -> new ArrayList<>()).add(file.path());
    }
    SparkSession reader = reader(split);
    Dataset<Row> all = null;
    for (List<String> group : byKind.values()) {
      boolean whole = byKind.size() == 1 && some.size() == files.size();
      Dataset<Row> rows = read(reader, footers.get(group.get(0)), group, whole);
      all = all == null ? rows : union(all, rows);
    }
    return all;
  }

  /** Unions by name; Spark finds the type that holds both. */
  private Dataset<Row> union(Dataset<Row> all, Dataset<Row> rows) {
    try {
      return all.unionByName(rows);
    } catch (Exception e) {
      throw SqueezeException.input(
          "The files of %s have other types: %s and %s (%s)"
              .formatted(path, all.schema().simpleString(), rows.schema().simpleString(), option),
          e);
    }
  }

  private Dataset<Row> read(SparkSession reader, Footer first, List<String> names, boolean whole) {
    MessageType type = type(first);
    List<StructField> fields = new ArrayList<>();
    for (String column : columns) {
      if (first.vectors().contains(column)) {
        fields.add(DataTypes.createStructField(column, SQLDataTypes.VectorType(), true));
      } else if (type.containsField(column)) {
        fields.add(field(reader, type, column));
      } else {
        fields.add(DataTypes.createStructField(column, DataTypes.StringType, true));
      }
    }
    // A folder that is no column would hide the files in it from Spark.
    boolean partitioned = !columns.stream().allMatch(type::containsField);
    Set<String> roots = whole ? Set.of(path) : new TreeSet<>(names);
    return reader
        .read()
        .schema(new StructType(fields.toArray(StructField[]::new)))
        .options(partitioned ? Map.of("basePath", base()) : Map.of("recursiveFileLookup", "true"))
        .parquet(
            roots.stream()
                .map(
                    root ->
                        whole && root.equals(path) && isPattern()
                            ? root
                            : HadoopStorage.literal(root))
                .toArray(String[]::new))
        .select(columns.stream().map(Tables::quoted).toArray(org.apache.spark.sql.Column[]::new));
  }

  /** Whether the path is a pattern: no file and no folder has it for a name. */
  private boolean isPattern() {
    String plain = new Path(path).toUri().getPath();
    return files.stream()
        .map(file -> new Path(file.path()).toUri().getPath())
        .noneMatch(file -> file.equals(plain) || file.startsWith(plain + "/"));
  }

  /** The folder above the first that is a column. */
  private String base() {
    String file = files.get(0).path();
    return file.substring(0, file.indexOf("/" + folders(file).get(0) + "="));
  }

  private StructField field(SparkSession reader, MessageType type, String column) {
    Type own = type.getType(column);
    try {
      return new ParquetToSparkSchemaConverter(SparkInternals.settings(reader))
          .convert(new MessageType("table", own))
          .apply(column);
    } catch (Exception e) {
      // Spark throws an AnalysisException without declaring it.
      throw SqueezeException.input(
          "Spark cannot read the column %s of %s, which is %s (%s)"
              .formatted(column, path, own.toString().replaceAll("\\s+", " "), option),
          e);
    }
  }

  /** A session whose settings fit: names that differ in case only, encodings. */
  private SparkSession reader(boolean split) {
    SparkSession own = spark.newSession();
    ScalaLists.of(spark.conf().getAll())
        .forEach(
            (key, value) -> {
              if (own.conf().isModifiable(key)) {
                own.conf().set(key, value);
              }
            });
    own.conf().set("spark.sql.caseSensitive", true);
    if (split) {
      own.conf().set("spark.sql.parquet.enableVectorizedReader", false);
    }
    return own;
  }
}
