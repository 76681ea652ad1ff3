package io.squeeze.jobs.model;

import static org.apache.spark.sql.functions.col;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * Anybody's Parquet with a column of vectors, read in place.
 *
 * @param path in full
 * @param columns whose vectors, by whose names
 * @param rows sample_id (string) and vector
 * @param channels values of a vector
 */
public record VectorTable(String path, String columns, Dataset<Row> rows, int channels) {

  /**
   * Opens a table.
   *
   * @param idColumn of any type; its values name the rows
   * @throws SqueezeException of category input if it cannot be used
   */
  public static VectorTable open(
      SqueezeSession session, String input, String vectorColumn, String idColumn)
      throws IOException {
    Dataset<Row> table = Tables.read(session, input, "--input");
    String path = session.storage().qualified(input);
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
    String columns = vectorColumn + " by " + idColumn;
    return new VectorTable(path, columns, rows, VectorColumn.channels(rows, Columns.VECTOR));
  }

  /** What a result of {@code count} rows of this table was made from. */
  public String source(long count) {
    return path + ": " + columns + ", " + count + " rows";
  }

  /** Refuses a checkpoint whose quantizer does not see vectors as they stand in a table. */
  public void check(String checkpoint, Settings settings, int width) {
    if (settings.train().adapterParameters() != null) {
      throw SqueezeException.configuration(
          "An adapter (--add_adapter) is for grids of features, not for the vectors of a table");
    }
    if (width != channels) {
      throw SqueezeException.input(
          path
              + " has vectors of "
              + channels
              + " values, but "
              + checkpoint
              + " was trained on "
              + width);
    }
    if (settings.quantizer().type().equals("none")) {
      throw SqueezeException.configuration(
          checkpoint + " quantizes nothing (none), so it has no codes: name one of another type");
    }
  }

  /** How its vectors are read. */
  public VectorColumn column() {
    return new VectorColumn(Columns.VECTOR, 1, 0, channels);
  }
}
