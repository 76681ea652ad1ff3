package io.squeeze.jobs.encode;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.Manifest;
import io.squeeze.jobs.spark.Manifest.DataFile;
import io.squeeze.jobs.spark.ParquetFile;
import io.squeeze.jobs.spark.RunLock;
import io.squeeze.jobs.spark.Steps;
import io.squeeze.jobs.spark.Versions;
import io.squeeze.jobs.spark.Versions.Published;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** Publishes tables that Spark writes as the next version of a data set. */
final class Publication {
  private final SparkSession spark;
  private final HadoopStorage storage;
  private final Versions versions;
  private final String table;
  private final String option;

  /** What is written into the folder of a version that is not published yet. */
  interface Content {
    Manifest write(String place) throws IOException;
  }

  /** What is said of a version once it is there, and of the seconds that it took. */
  interface Report {
    void of(Published published, double seconds) throws IOException;
  }

  /**
   * The versions below {@code base}.
   *
   * @param table what they hold: {@link Manifest#CODES} or {@link Manifest#EMBEDDINGS}
   * @param option that names it, for messages
   */
  Publication(SparkSession spark, String base, String table, String option) throws IOException {
    this.spark = spark;
    this.storage = new HadoopStorage(spark);
    this.versions = new Versions(storage, base);
    this.table = table;
    this.option = option;
  }

  /**
   * Publishes a version, or finds that it is there.
   *
   * @param asked the settings that it follows from
   * @param growing keys of them whose other values make a next version
   * @throws SqueezeException of category configuration if something else is there
   */
  Published run(Map<String, String> asked, List<String> growing, Content content, Report report)
      throws IOException {
    Optional<Published> there = there(asked, growing);
    if (there.isPresent()) {
      return there.get();
    }
    if (storage.exists(Storage.join(versions.base(), Manifest.NAME))) {
      throw SqueezeException.configuration(
          versions.base()
              + " is a version, and something else is asked for: name the folder above it for a"
              + " next version ("
              + option
              + ")");
    }
    RunLock lock = RunLock.take(storage, versions.base());
    try {
      // Again, now that nobody else publishes.
      there = there(asked, growing);
      return there.isPresent() ? there.get() : publish(content, report);
    } finally {
      lock.close();
    }
  }

  private Optional<Published> there(Map<String, String> asked, List<String> growing)
      throws IOException {
    Optional<Published> current = versions.current();
    if (current.isEmpty() || !isThere(current.get(), asked, growing)) {
      return Optional.empty();
    }
    Console.say("There already: " + current.get().path() + ", nothing to do");
    return current;
  }

  private boolean isThere(Published current, Map<String, String> asked, List<String> growing) {
    if (!current.manifest().table().equals(table)) {
      throw SqueezeException.configuration(
          current.path()
              + " holds "
              + current.manifest().table()
              + ", no "
              + table
              + ": name another folder ("
              + option
              + ")");
    }
    List<String> differences = current.manifest().differences(asked);
    if (!differences.stream().allMatch(line -> growing.contains(line.split(":", 2)[0]))) {
      throw SqueezeException.configuration(
          "Something else lies in "
              + current.path()
              + " ("
              + String.join("; ", differences)
              + "): name another folder ("
              + option
              + ")");
    }
    return differences.isEmpty();
  }

  private Published publish(Content content, Report report) throws IOException {
    String name = "v" + versions.next();
    String unique = UUID.randomUUID().toString().substring(0, 8);
    String place = Storage.join(versions.base(), "_" + name + "." + unique);
    Published published = null;
    long began = System.nanoTime();
    try {
      Steps.name(spark, table + " " + versions.base(), "writing " + name);
      Manifest manifest = content.write(place);
      String version = Storage.join(versions.base(), name);
      storage.move(place, version);
      storage.replace(Storage.join(version, Manifest.NAME), manifest.json());
      published = new Published(version, manifest);
    } finally {
      if (published == null) {
        storage.delete(place);
      }
    }
    report.of(published, (System.nanoTime() - began) / 1e9);
    return published;
  }

  /**
   * Writes the rows of a split, a file for each partition.
   *
   * @param rows without the column {@link Columns#SPLIT}: its folder says it
   */
  static void write(Dataset<Row> rows, String folder, String split) {
    rows.write()
        .option("compression", "zstd")
        // A row can be 23 MB: Parquet looks at its memory after each few, not after a hundred.
        .option("parquet.page.size.row.check.min", "1")
        .option("parquet.page.size.row.check.max", "10")
        .parquet(Storage.join(folder, Columns.SPLIT + "=" + split));
  }

  /** The Parquet files below a folder, read in tasks; what Spark leaves beside them is deleted. */
  List<DataFile> files(String place) throws IOException {
    List<String> names = new ArrayList<>();
    for (String name : storage.files(place).keySet()) {
      if (name.endsWith(".parquet")) {
        names.add(name);
      } else {
        storage.delete(Storage.join(place, name));
      }
    }
    HadoopStorage files = storage;
    int tasks = Math.max(1, Math.min(names.size(), spark.sparkContext().defaultParallelism()));
    return JavaSparkContext.fromSparkContext(spark.sparkContext())
        .parallelize(names, tasks)
        .map(name -> ParquetFile.find(files, Storage.join(place, name), name).orElseThrow())
        .collect()
        .stream()
        .sorted(Comparator.comparing(DataFile::path))
        .toList();
  }

  /** Rows of each split. */
  static Map<String, Long> rows(List<String> splits, List<DataFile> files) {
    Map<String, Long> rows = new TreeMap<>();
    for (String split : splits) {
      rows.put(
          split,
          files.stream()
              .filter(file -> file.path().contains(Columns.SPLIT + "=" + split + "/"))
              .mapToLong(DataFile::rows)
              .sum());
    }
    return rows;
  }
}
