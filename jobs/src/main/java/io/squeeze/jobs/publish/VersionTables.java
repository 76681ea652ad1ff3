package io.squeeze.jobs.publish;

import static org.apache.spark.sql.functions.col;

import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** The tables of a version that Spark writes, a folder for each split. */
public final class VersionTables {
  private static final long BYTES_PER_FILE = 128L << 20;

  private VersionTables() {}

  /**
   * Writes the rows of a split, a file for each partition.
   *
   * @param rows without the column {@link Columns#SPLIT}: its folder says it
   */
  public static void write(Dataset<Row> rows, String folder, String split) {
    write(rows, folder, split, "PARQUET_1_0");
  }

  /**
   * The same in files of about 128 MB, whose rows do not depend on how the source is partitioned:
   * by hash of the id, in the order of the ids.
   *
   * @param bytes of all rows, about
   */
  public static void writeById(Dataset<Row> rows, long bytes, String folder, String split) {
    write(
        rows.repartition((int) Math.max(1, bytes / BYTES_PER_FILE), col(Columns.SAMPLE_ID))
            .sortWithinPartitions(Columns.SAMPLE_ID),
        folder,
        split);
  }

  /**
   * The same for rows with a short binary value each. Pages of Parquet's second version store the
   * lengths of binary values as differences: a few bits instead of about two bytes. (Arrays are
   * smaller in the first version, which compresses what says where they begin.)
   */
  public static void writeBinary(Dataset<Row> rows, String folder, String split) {
    write(rows, folder, split, "PARQUET_2_0");
  }

  private static void write(Dataset<Row> rows, String folder, String split, String version) {
    rows.write()
        .option("parquet.writer.version", version)
        .option("compression", "zstd")
        // A row can be 23 MB: Parquet looks at its memory after each few, not after a hundred.
        .option("parquet.page.size.row.check.min", "1")
        .option("parquet.page.size.row.check.max", "10")
        .parquet(Storage.join(folder, Columns.SPLIT + "=" + split));
  }

  /**
   * Writes sorted rows of vectors, a file for each partition. A page holds few rows, and its
   * statistics are kept: a reader that asks for some values of the column that they are sorted by
   * leaves the other pages out.
   */
  public static void writeSorted(Dataset<Row> rows, String folder) {
    rows.write()
        .option("parquet.writer.version", "PARQUET_2_0")
        .option("compression", "zstd")
        .option("parquet.page.row.count.limit", "4096")
        .option("maxRecordsPerFile", "0")
        .parquet(folder);
  }

  /** The Parquet files below a folder, read in tasks; what Spark leaves beside them is deleted. */
  public static List<DataFile> files(SqueezeSession session, String folder) throws IOException {
    HadoopStorage storage = session.storage();
    List<String> names = new ArrayList<>();
    for (String name : storage.files(folder).keySet()) {
      if (name.endsWith(".parquet")) {
        names.add(name);
      } else {
        storage.delete(Storage.join(folder, name));
      }
    }
    JavaSparkContext context = JavaSparkContext.fromSparkContext(session.spark().sparkContext());
    int tasks = Math.max(1, Math.min(names.size(), context.defaultParallelism()));
    return context
        .parallelize(names, tasks)
        .map(name -> ParquetFile.find(storage, Storage.join(folder, name), name).orElseThrow())
        .collect()
        .stream()
        .sorted(Comparator.comparing(DataFile::path))
        .toList();
  }

  /** Rows of each split. */
  public static Map<String, Long> rows(List<String> splits, List<DataFile> files) {
    Map<String, Long> rows = new TreeMap<>();
    splits.forEach(split -> rows.put(split, 0L));
    files.stream()
        .filter(file -> rows.containsKey(file.split()))
        .forEach(file -> rows.merge(file.split(), file.rows(), Long::sum));
    return rows;
  }
}
