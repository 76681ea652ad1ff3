package io.squeeze.jobs.spark;

import java.io.IOException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** Writes tables beside the versions: results of a run, replaced whole. */
public final class Tables {
  private Tables() {}

  /** Writes rows beside a folder of Parquet files, then puts them in its place. */
  public static void replace(HadoopStorage storage, Dataset<Row> rows, String path)
      throws IOException {
    int slash = path.lastIndexOf('/') + 1;
    String fresh = path.substring(0, slash) + "_fresh." + path.substring(slash);
    storage.delete(fresh);
    rows.write().option("compression", "zstd").parquet(fresh);
    storage.delete(path);
    storage.move(fresh, path);
  }
}
