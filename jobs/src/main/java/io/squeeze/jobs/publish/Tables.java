package io.squeeze.jobs.publish;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.hex;
import static org.apache.spark.sql.functions.lower;
import static org.apache.spark.sql.functions.sum;
import static org.apache.spark.sql.functions.xxhash64;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.storage.HadoopStorage;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Columns of foreign tables, and results of a run that are replaced whole. */
public final class Tables {
  /** Bytes that a reader holds at once. */
  private static final long BATCH_BYTES = 64L << 20;

  private Tables() {}

  /** Text that names a row: of bytes their hexadecimal form, so that no two become one name. */
  public static Column id(Dataset<Row> rows, String column) {
    Column own = quoted(column);
    return rows.schema().apply(column).dataType().equals(DataTypes.BinaryType)
        ? lower(hex(own))
        : own.cast("string");
  }

  /** An aggregate that is equal for equal rows, in whatever order they come. */
  public static Column fingerprint(Column... columns) {
    return sum(xxhash64(columns).cast("decimal(20,0)")).cast("string");
  }

  /** A column by its name, whatever characters the name has. */
  public static Column quoted(String column) {
    return col("`" + column.replace("`", "``") + "`");
  }

  /**
   * The bytes of files that a column holds: itself, or its field {@code bytes}, as tables of the
   * data sets library have it; empty where it holds none.
   */
  public static Optional<Column> bytes(Dataset<Row> rows, String column) {
    DataType type = rows.schema().apply(column).dataType();
    if (type.equals(DataTypes.BinaryType)) {
      return Optional.of(quoted(column));
    }
    return field(type, "bytes", DataTypes.BinaryType)
        ? Optional.of(quoted(column).getField("bytes"))
        : Optional.empty();
  }

  /**
   * The paths that a column holds: itself, or its field {@code path}; empty for bytes alone.
   *
   * @throws SqueezeException of category input if it is neither a path nor has one
   */
  public static Optional<Column> path(Dataset<Row> rows, String column) {
    DataType type = rows.schema().apply(column).dataType();
    if (type.equals(DataTypes.StringType)) {
      return Optional.of(quoted(column));
    }
    if (field(type, "path", DataTypes.StringType)) {
      return Optional.of(quoted(column).getField("path"));
    }
    if (bytes(rows, column).isPresent()) {
      return Optional.empty();
    }
    throw SqueezeException.input(
        ("The column %s is %s: a photo or a mask is bytes, a path, or a struct of bytes "
                + "and path (--dataset)")
            .formatted(column, type.simpleString()));
  }

  private static boolean field(DataType type, String name, DataType wanted) {
    return type instanceof StructType struct
        && List.of(struct.fieldNames()).contains(name)
        && struct.apply(name).dataType().equals(wanted);
  }

  /**
   * Lets Parquet's reader hold as many rows as fit, at most 4,096, where the session's default is
   * for rows of some megabytes.
   *
   * @param bytes of the largest row
   */
  public static void readBatches(SparkSession spark, long bytes) {
    long rows = Math.max(8, Math.min(4096, BATCH_BYTES / Math.max(1, bytes)));
    spark.conf().set("spark.sql.parquet.columnarReaderBatchSize", rows);
  }

  /**
   * The full path of a folder that is to be written.
   *
   * @throws SqueezeException of category configuration if there is something
   */
  public static String fresh(HadoopStorage storage, String path) throws IOException {
    String full = storage.qualified(path);
    if (storage.exists(full)) {
      throw SqueezeException.configuration(
          "There is something at %s already: name another folder (--out)".formatted(full));
    }
    return full;
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
