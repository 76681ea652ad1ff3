package io.squeeze.jobs.publish;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.config.Json;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF4;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/**
 * The versions {@code E/v1}, {@code E/v2} … of a data set of embeddings, codes, or an index. The
 * highest with a manifest is current; what begins with {@code _} or has no manifest is unfinished.
 */
public final class Versions {
  /** Folder of the codes' table below a version of theirs. */
  public static final String CODES = "codes";

  /** Folder of the table beside it that says what a code stands for. */
  public static final String CODEBOOK = "codebook";

  /** Folder of the index beside the versions of codes: a data set of its own. */
  public static final String INDEX = "index";

  /** Folder of the vectors' table below a version of an index. */
  public static final String VECTORS = "vectors";

  /** Folder of the table of lists beside it. */
  public static final String LISTS = "lists";

  private static final Pattern VERSION = Pattern.compile("v[1-9][0-9]{0,8}");

  private final HadoopStorage storage;
  private final String base;

  /** The versions below a path. */
  public Versions(HadoopStorage storage, String base) throws IOException {
    this.storage = storage;
    this.base = storage.qualified(base);
  }

  /** Keeps measurements of a job beside the version that it writes: {@code E/metrics/v1.json}. */
  public static void writeMetrics(HadoopStorage storage, String version, Map<String, ?> metrics)
      throws IOException {
    int slash = version.lastIndexOf('/');
    storage.replace(
        Storage.join(version.substring(0, slash), "metrics" + version.substring(slash) + ".json"),
        Json.pretty(metrics));
  }

  /** Whether a folder's name is that of a version. */
  public static boolean isVersion(String name) {
    return VERSION.matcher(name).matches();
  }

  /** The full path of the data set. */
  public String base() {
    return base;
  }

  /**
   * A published version.
   *
   * @param path its folder
   */
  public record Published(String path, Manifest manifest) {

    /** The rows, by the declared schema; codes as arrays, whatever their coding. */
    public Dataset<Row> read(SparkSession spark) {
      return switch (manifest.table()) {
        case Manifest.CODES -> codes(spark);
        case Manifest.PREDICTIONS -> predictions(spark);
        default -> embeddings(spark);
      };
    }

    private Dataset<Row> predictions(SparkSession spark) {
      return spark
          .read()
          .schema(Columns.predictions(manifest.columns(), manifest.classes()).withSplit())
          .parquet(HadoopStorage.literal(path));
    }

    private Dataset<Row> embeddings(SparkSession spark) {
      boolean grids = manifest.table().equals(Manifest.EMBEDDINGS);
      boolean pooled = manifest.settings().containsKey(Manifest.POOL);
      Dataset<Row> rows =
          spark
              .read()
              .schema(Columns.embeddings(manifest.columns(), grids, pooled).withSplit())
              .parquet(HadoopStorage.literal(path));
      return grids ? rows.withColumn(Columns.EMBEDDING, ofThisGrid()) : rows;
    }

    /** The features; a row of another grid than the manifest's would be taken apart wrongly. */
    private Column ofThisGrid() {
      String version = path;
      List<Integer> grid =
          List.of(manifest.channels(), manifest.gridHeight(), manifest.gridWidth());
      UDF4<byte[], Integer, Integer, Integer, byte[]> check =
          (features, channels, height, width) -> {
            if (!grid.equals(List.of(channels, height, width))) {
              throw SqueezeException.input(
                  "The manifest of %s says grids of %s (channels, height, width), a row says %s"
                      .formatted(version, grid, List.of(channels, height, width)));
            }
            return features;
          };
      return udf(check, DataTypes.BinaryType)
          .apply(
              col(Columns.EMBEDDING),
              col(Columns.CHANNELS),
              col(Columns.GRID_HEIGHT),
              col(Columns.GRID_WIDTH));
    }

    private Dataset<Row> codes(SparkSession spark) {
      StructType schema = Columns.codes(manifest.columns()).withSplit();
      if (manifest.coding() != null) {
        StructField[] fields = schema.fields().clone();
        int at = schema.fieldIndex(Columns.CODES);
        fields[at] = DataTypes.createStructField(Columns.CODES, DataTypes.BinaryType, false);
        schema = new StructType(fields);
      }
      String folder = Storage.join(path, CODES);
      return Coding.arrays(
          manifest.coding(), spark.read().schema(schema).parquet(HadoopStorage.literal(folder)));
    }

    /** What each code stands for: level, code, vector. */
    public Dataset<Row> codebook(SparkSession spark) {
      return spark
          .read()
          .schema(Columns.codebook().schema())
          .parquet(HadoopStorage.literal(Storage.join(path, CODEBOOK)));
    }

    /** The lists of an index: number, vectors, files, centroid. */
    public Dataset<Row> lists(SparkSession spark) {
      return spark
          .read()
          .schema(Columns.lists().schema())
          .parquet(HadoopStorage.literal(Storage.join(path, LISTS)));
    }

    /** The files of the vectors of an index, in the order of its lists. */
    public List<String> vectorFiles() {
      return manifest.files().stream()
          .map(DataFile::path)
          .filter(file -> file.startsWith(VECTORS + "/"))
          .sorted()
          .toList();
    }

    /** All rows of an index, codes as arrays. */
    public Dataset<Row> indexed(SparkSession spark) {
      // A row is one vector.
      Dataset<Row> rows =
          indexed(spark, vectorFiles())
              .withColumn(Columns.GRID_HEIGHT, lit(1))
              .withColumn(Columns.GRID_WIDTH, lit(1));
      return Coding.arrays(manifest.coding(), rows).drop(Columns.GRID_HEIGHT, Columns.GRID_WIDTH);
    }

    /**
     * Rows of some files of an index, as they are stored.
     *
     * @param files some of {@link #vectorFiles}
     */
    public Dataset<Row> indexed(SparkSession spark, List<String> files) {
      return spark
          .read()
          .schema(Columns.index(manifest.columns()).schema())
          .parquet(
              files.stream()
                  .map(file -> HadoopStorage.literal(Storage.join(path, file)))
                  .toArray(String[]::new));
    }

    /** The rows of one of the data set's splits. */
    public Dataset<Row> read(SparkSession spark, String split) {
      return read(spark).where(org.apache.spark.sql.functions.col(Columns.SPLIT).equalTo(split));
    }
  }

  /**
   * The current version of embeddings.
   *
   * @param path of the data set, or of one of its versions
   * @throws SqueezeException of category input if there is none
   */
  public static Published embeddings(HadoopStorage storage, String path) throws IOException {
    return named(storage, path, Manifest.EMBEDDINGS, "--embeddings");
  }

  /**
   * The same of codes.
   *
   * @param option that names them, for messages
   */
  public static Published codes(HadoopStorage storage, String path, String option)
      throws IOException {
    return named(storage, path, Manifest.CODES, option);
  }

  /**
   * The path of the data set that a path names, or one of whose versions it names.
   *
   * @param published the version that was found there
   */
  public static String dataSet(Published published) {
    return published.path().substring(0, published.path().lastIndexOf('/'));
  }

  /**
   * The current version of the index beside codes; empty for none.
   *
   * @param codes a version of them
   */
  public static Optional<Published> index(HadoopStorage storage, Published codes)
      throws IOException {
    return new Versions(storage, Storage.join(dataSet(codes), INDEX)).current();
  }

  private static Published named(HadoopStorage storage, String path, String table, String option)
      throws IOException {
    Published found =
        new Versions(storage, path)
            .current()
            .orElseThrow(
                () -> SqueezeException.input("No " + table + " in " + path + " (" + option + ")"));
    if (!found.manifest().table().equals(table)) {
      throw SqueezeException.input(
          path + " holds " + found.manifest().table() + ", no " + table + " (" + option + ")");
    }
    return found;
  }

  /** The current version, if any; a version's own path is accepted too. */
  public Optional<Published> current() throws IOException {
    if (storage.exists(Storage.join(base, Manifest.NAME))) {
      return Optional.of(open(base));
    }
    List<String> names =
        numbers().sorted(java.util.Comparator.reverseOrder()).map(n -> "v" + n).toList();
    for (String name : names) {
      String path = Storage.join(base, name);
      if (storage.exists(Storage.join(path, Manifest.NAME))) {
        return Optional.of(open(path));
      }
    }
    return Optional.empty();
  }

  /** The first free number. */
  public int next() throws IOException {
    return 1 + numbers().max(Integer::compare).orElse(0);
  }

  private Stream<Integer> numbers() throws IOException {
    return storage
        .folders(base)
        .filter(Versions::isVersion)
        .map(name -> Integer.parseInt(name.substring(1)));
  }

  /** Checks that the folder holds exactly what its manifest says. */
  private Published open(String path) throws IOException {
    String file = Storage.join(path, Manifest.NAME);
    Manifest manifest = Manifest.parse(storage.text(file), file);
    Map<String, Long> found = storage.files(path);
    for (DataFile expected : manifest.files()) {
      Long bytes = found.remove(expected.path());
      if (bytes == null || bytes != expected.bytes()) {
        throw SqueezeException.input(
            ("The version %s is damaged: %s should have %s bytes (%s rows), found %s; "
                    + "delete %s and write it again")
                .formatted(
                    path,
                    expected.path(),
                    expected.bytes(),
                    expected.rows(),
                    bytes == null ? "no file" : bytes + " bytes",
                    path));
      }
    }
    found.remove(Manifest.NAME);
    if (!found.isEmpty()) {
      throw SqueezeException.input(
          "The version "
              + path
              + " holds files that its manifest does not name: "
              + String.join(", ", found.keySet().stream().sorted().limit(5).toList()));
    }
    return new Published(path, manifest);
  }
}
