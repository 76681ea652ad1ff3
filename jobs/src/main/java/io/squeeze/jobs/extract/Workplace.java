package io.squeeze.jobs.extract;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.extract.Written.Tally;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.Manifest;
import io.squeeze.jobs.spark.Manifest.DataFile;
import io.squeeze.jobs.spark.ParquetFile;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Where the rows of a version grow until they are published, and how they are: what no successful
 * attempt wrote goes, the rejects move beside, the folder gets its name, the manifest comes last.
 *
 * @param name of the version
 * @param rows folder of the growing rows
 * @param rejects folder of the growing rejects
 */
record Workplace(HadoopStorage storage, String base, String name, String rows, String rejects) {
  /** Says what is being published, from where: an ended process leaves it. */
  private static final String PUBLISHING = "_publishing";

  /**
   * A place below a data set.
   *
   * @param key digest of all that the rows follow from: a run of the same goes on here
   */
  static Workplace of(HadoopStorage storage, String base, String name, String key) {
    String folder = "_" + name + "." + key;
    return new Workplace(
        storage, base, name, Storage.join(base, folder), Storage.join(base, "rejects/" + folder));
  }

  /** The version's folder. */
  String version() {
    return Storage.join(base, name);
  }

  /** What earlier runs left here, by stem. */
  Map<String, List<String>> left() throws IOException {
    Map<String, List<String>> left = new HashMap<>();
    for (String file : storage.files(rows).keySet()) {
      left.computeIfAbsent(FilePlan.stemOf(file), stem -> new ArrayList<>()).add(file);
    }
    return left;
  }

  static long rejected(List<Written> written) {
    return rejectFiles(written).stream().mapToLong(DataFile::rows).sum();
  }

  private static List<DataFile> rejectFiles(List<Written> written) {
    return written.stream().map(Written::rejects).filter(Objects::nonNull).toList();
  }

  /**
   * Tells of the rejects.
   *
   * @param total images that were tried
   * @param before rows that the version has from the one before
   * @param limit largest share of rejects that still publishes
   * @throws SqueezeException of category input if there are more
   */
  void checkRejects(
      SparkSession spark, List<Written> written, long total, long before, double limit)
      throws IOException {
    deleteOrphans(rejects, rejectFiles(written));
    long rejected = rejected(written);
    if (rejected == 0) {
      return;
    }
    Dataset<Row> table =
        spark.read().parquet(Storage.join(HadoopStorage.literal(rejects), "*.parquet"));
    Map<String, Long> codes = new TreeMap<>();
    table
        .groupBy(Schemas.CODE)
        .count()
        .collectAsList()
        .forEach(row -> codes.put(row.getString(0), row.getLong(1)));
    table
        .select(Columns.IMAGE_PATH, Schemas.STAGE, Schemas.CODE, Schemas.MESSAGE)
        .orderBy(Columns.SAMPLE_ID)
        .limit(5)
        .collectAsList()
        .forEach(row -> Console.say("  rejected: " + row.mkString(", ")));
    String what = rejected + " of " + total + " images were rejected " + codes;
    if ((rejected == total && before == 0) || rejected > limit * (total + before)) {
      // The next run goes on with the files that are whole, and tries these photos again.
      for (Written file : written) {
        if (file.rejects() != null) {
          storage.delete(Storage.join(rows, file.rows().path()));
        }
      }
      throw SqueezeException.input(
          what
              + ", more than data.max-bad-fraction = "
              + limit
              + " allows; the rejects are listed in "
              + rejects);
    }
    Console.warn(what + ": " + Storage.join(base, "rejects/" + name));
  }

  /** Makes the version visible. */
  void publish(Manifest manifest, List<Written> written) throws IOException {
    String note = Storage.join(base, PUBLISHING);
    storage.replace(note, name + " " + rows.substring(rows.lastIndexOf('/') + 1));
    publishRejects(rejectFiles(written));
    deleteOrphans(rows, manifest.files());
    storage.move(rows, version());
    storage.replace(Storage.join(version(), Manifest.NAME), manifest.json());
    storage.delete(note);
  }

  /** Takes a version back whose process ended while it published: the rows are whole. */
  static void recover(HadoopStorage storage, String base) throws IOException {
    String note = Storage.join(base, PUBLISHING);
    if (!storage.exists(note)) {
      return;
    }
    String[] names = storage.text(note).split(" ", 2);
    if (!storage.exists(Storage.join(base, names[0] + "/" + Manifest.NAME))) {
      for (String folder : List.of(base, Storage.join(base, "rejects"))) {
        takeBack(storage, Storage.join(folder, names[0]), Storage.join(folder, names[1]));
      }
    }
    storage.delete(note);
  }

  private static void takeBack(HadoopStorage storage, String moved, String growing)
      throws IOException {
    if (!storage.exists(moved)) {
      return;
    }
    if (!storage.exists(growing)) {
      storage.move(moved, growing);
      return;
    }
    // An object store moves file by file: what is still in its place is whole there.
    for (String file : storage.files(moved).keySet()) {
      String place = Storage.join(growing, file);
      if (!storage.exists(place)) {
        storage.move(Storage.join(moved, file), place);
      }
    }
    storage.delete(moved);
  }

  /** The table of rejects stands beside the version, empty where nothing was rejected. */
  private void publishRejects(List<DataFile> files) throws IOException {
    if (files.isEmpty()) {
      String path = Storage.join(rejects, "none.parquet");
      ParquetFile none = new ParquetFile(storage, path, Schemas.rejects());
      none.close();
    }
    String published = Storage.join(base, "rejects/" + name);
    // Of a version that was never finished, or deleted by hand.
    storage.delete(published);
    storage.move(rejects, published);
  }

  /** What a failed or doubled attempt of a task left behind. */
  private void deleteOrphans(String folder, List<DataFile> files) throws IOException {
    Set<String> kept = new HashSet<>();
    files.forEach(f -> kept.add(f.path()));
    for (String file : storage.files(folder).keySet()) {
      if (!kept.contains(file)) {
        storage.delete(Storage.join(folder, file));
      }
    }
  }

  /** Says beside the version where extraction's time went. */
  void writeMetrics(Tally tally, double seconds) throws IOException {
    Map<String, Object> metrics = new TreeMap<>();
    metrics.put("images", tally.images());
    metrics.put("seconds", seconds);
    metrics.put("images_per_second", tally.images() / seconds);
    metrics.put("read_seconds", tally.read() / 1e9);
    metrics.put("decode_seconds", tally.decode() / 1e9);
    metrics.put("forward_seconds", tally.forward() / 1e9);
    metrics.put("write_seconds", tally.write() / 1e9);
    metrics.put("wait_seconds", tally.waited() / 1e9);
    storage.replace(
        Storage.join(base, "metrics/" + name + ".json"),
        new ObjectMapper().writeValueAsString(metrics) + "\n");
  }
}
