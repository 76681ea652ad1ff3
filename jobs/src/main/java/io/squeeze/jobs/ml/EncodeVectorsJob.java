package io.squeeze.jobs.ml;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.input_file_name;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.size;

import io.squeeze.backbone.BackboneFile;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.extract.Fused;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.Manifest;
import io.squeeze.jobs.spark.Manifest.DataFile;
import io.squeeze.jobs.spark.RunLock;
import io.squeeze.jobs.spark.Versions;
import io.squeeze.jobs.spark.Versions.Published;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** A table of vectors and a checkpoint to published codes: a vector is a sample of 1 x 1. */
public final class EncodeVectorsJob {
  /** The one split of a table. */
  private static final String ALL = "all";

  private final SparkSession spark;
  private final HadoopStorage storage;
  private final VectorTable table;
  private final Fused fused;
  private final Versions versions;

  /** A job that writes to the data set of codes that {@code fused} names. */
  public EncodeVectorsJob(SparkSession spark, VectorTable table, Fused fused) throws IOException {
    this.spark = spark;
    this.storage = new HadoopStorage(spark);
    this.table = table;
    this.fused = fused;
    this.versions = new Versions(storage, fused.codes());
    Checkpoint checkpoint = fused.checkpoint();
    table.check(fused.path(), checkpoint.settings(), checkpoint.layout().channels());
  }

  /**
   * Publishes a version, or finds that it is there.
   *
   * @throws SqueezeException of category configuration if other codes are there
   */
  public Published run() throws IOException {
    Map<String, String> asked = new TreeMap<>(fused.settings());
    asked.put("input", table.source(table.rows().count()));
    RunLock lock = RunLock.take(storage, versions.base());
    try {
      Optional<Published> current = versions.current();
      if (current.isPresent()) {
        List<String> differences = current.get().manifest().differences(asked);
        if (!differences.isEmpty()) {
          throw SqueezeException.configuration(
              "Other codes lie in "
                  + current.get().path()
                  + " ("
                  + String.join("; ", differences)
                  + "): name another folder (--codes)");
        }
        Console.say("Encoded already: " + current.get().path() + ", nothing to do");
        return current.get();
      }
      return publish(asked);
    } finally {
      lock.close();
    }
  }

  private Published publish(Map<String, String> asked) throws IOException {
    String name = "v" + versions.next();
    String place =
        Storage.join(
            versions.base(), "_" + name + "." + UUID.randomUUID().toString().substring(0, 8));
    try {
      rows()
          .write()
          .partitionBy(Columns.SPLIT)
          .option("compression", "zstd")
          .parquet(Storage.join(place, Versions.CODES));
      List<DataFile> files = files(place);
      files.add(fused.codebook(storage, place));
      files.sort(Comparator.comparing(DataFile::path));
      Manifest manifest = manifest(asked, files);
      String version = Storage.join(versions.base(), name);
      storage.move(place, version);
      storage.replace(Storage.join(version, Manifest.NAME), manifest.json());
      Console.say("Published " + version + ": " + manifest.rows().get(ALL) + " vectors");
      return new Published(version, manifest);
    } catch (IOException | RuntimeException e) {
      storage.delete(place);
      throw e;
    }
  }

  private Dataset<Row> rows() {
    VectorQuantizationModel model =
        new VectorQuantizationModel("encode", fused.checkpoint())
            .setInputCol(Columns.VECTOR)
            .setOutputCol(Columns.CODES);
    return model
        .transform(table.rows())
        .select(
            col(Columns.SAMPLE_ID),
            lit("").as(Columns.IMAGE_PATH),
            lit(1).as(Columns.HEIGHT),
            lit(1).as(Columns.WIDTH),
            lit(table.channels()).as(Columns.CHANNELS),
            lit(1).as(Columns.GRID_HEIGHT),
            lit(1).as(Columns.GRID_WIDTH),
            lit("float32").as(Columns.DTYPE),
            size(col(Columns.CODES)).as(Columns.LEVELS),
            col(Columns.CODES),
            lit(ALL).as(Columns.SPLIT));
  }

  /** The files that Spark wrote, without its marks beside them. */
  private List<DataFile> files(String place) throws IOException {
    String codes = Storage.join(place, Versions.CODES);
    Map<String, Long> rows = new HashMap<>();
    spark
        .read()
        .parquet(HadoopStorage.literal(codes))
        .groupBy(input_file_name())
        .count()
        .collectAsList()
        .forEach(row -> rows.put(last(row.getString(0)), row.getLong(1)));
    List<DataFile> files = new ArrayList<>();
    for (Map.Entry<String, Long> file : storage.files(place).entrySet()) {
      String path = Storage.join(place, file.getKey());
      if (!file.getKey().endsWith(".parquet") || !rows.containsKey(last(file.getKey()))) {
        storage.delete(path);
        continue;
      }
      try (InputStream in = storage.open(path)) {
        String sha256 = BackboneFile.digest(in);
        files.add(
            new DataFile(file.getKey(), file.getValue(), rows.get(last(file.getKey())), sha256));
      }
    }
    return files;
  }

  private static String last(String path) {
    return path.substring(path.lastIndexOf('/') + 1);
  }

  private Manifest manifest(Map<String, String> asked, List<DataFile> files) {
    long rows =
        files.stream()
            .filter(file -> file.path().startsWith(Versions.CODES + "/"))
            .mapToLong(DataFile::rows)
            .sum();
    return new Manifest(
        Manifest.SCHEMA_VERSION,
        Manifest.CODES,
        asked,
        "float32",
        null,
        table.path(),
        List.of(),
        List.of(),
        List.of(),
        "",
        List.of(ALL),
        Map.of(ALL, rows),
        0,
        table.channels(),
        1,
        1,
        1,
        files);
  }
}
