package io.squeeze.jobs.ml;

import static org.apache.spark.sql.functions.col;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.HadoopStorage;
import java.io.IOException;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Anybody's Parquet with a column of vectors, read in place.
 *
 * @param path in full
 * @param rows sample_id (string) and vector
 * @param channels values of a vector
 */
public record VectorTable(String path, Dataset<Row> rows, int channels) {

  /**
   * Opens a table.
   *
   * @param idColumn of any type; its values name the rows
   * @throws SqueezeException of category input if it cannot be used
   */
  public static VectorTable open(
      SparkSession spark, String input, String vectorColumn, String idColumn) throws IOException {
    HadoopStorage storage = new HadoopStorage(spark);
    if (!storage.exists(input)) {
      throw SqueezeException.input("No table at " + input + " (--input)");
    }
    String path = storage.qualified(input);
    Dataset<Row> table;
    try {
      table = spark.read().parquet(HadoopStorage.literal(path));
    } catch (Exception e) {
      if (e instanceof AnalysisException) {
        throw SqueezeException.input(path + " is no Parquet (--input): " + e.getMessage(), e);
      }
      throw e;
    }
    VectorColumn.check(table.schema(), vectorColumn);
    VectorColumn.checkThere(table.schema(), idColumn);
    Dataset<Row> rows =
        table.select(
            col("`" + idColumn + "`").cast("string").as(Columns.SAMPLE_ID),
            col("`" + vectorColumn + "`").as(Columns.VECTOR));
    if (!rows.where(col(Columns.SAMPLE_ID).isNull()).isEmpty()) {
      throw SqueezeException.input(
          "The column " + idColumn + " of " + path + " holds nulls (--id_col): filter them out");
    }
    return new VectorTable(path, rows, VectorColumn.channels(rows, Columns.VECTOR));
  }

  /** How its vectors are read. */
  VectorColumn column() {
    return new VectorColumn(Columns.VECTOR, 1, 0, channels);
  }
}
