package io.squeeze.jobs.spark;

import io.squeeze.config.SqueezeException;
import java.io.IOException;
import org.apache.spark.SparkException;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** Writes tables beside the versions: results of a run, replaced whole. */
public final class Tables {
  private Tables() {}

  /**
   * Anybody's Parquet, read in place.
   *
   * @param option that names it, for messages
   * @throws SqueezeException of category input if it cannot be read
   */
  public static Dataset<Row> read(SparkSession spark, String path, String option)
      throws IOException {
    HadoopStorage storage = new HadoopStorage(spark);
    if (!storage.exists(path)) {
      throw SqueezeException.input("No table at " + path + " (" + option + ")");
    }
    String full = storage.qualified(path);
    try {
      return spark.read().parquet(HadoopStorage.literal(full));
    } catch (Exception e) {
      // Spark throws both without declaring them.
      if (e instanceof AnalysisException || e instanceof SparkException) {
        throw SqueezeException.input(
            full + " is no Parquet that Spark can read (" + option + ")", e);
      }
      throw e;
    }
  }

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
