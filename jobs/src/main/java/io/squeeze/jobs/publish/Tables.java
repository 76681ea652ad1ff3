package io.squeeze.jobs.publish;

import static org.apache.spark.sql.functions.col;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.apache.spark.SparkException;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Reads anybody's tables, and writes results of a run beside the versions, replaced whole. */
public final class Tables {
  private Tables() {}

  /**
   * Anybody's Parquet, read in place.
   *
   * @param option that names it, for messages
   * @throws SqueezeException of category input if it cannot be read
   */
  public static Dataset<Row> read(SqueezeSession session, String path, String option)
      throws IOException {
    HadoopStorage storage = session.storage();
    if (!storage.exists(path)) {
      throw SqueezeException.input("No table at " + path + " (" + option + ")");
    }
    String full = storage.qualified(path);
    try {
      return session.spark().read().parquet(HadoopStorage.literal(full));
    } catch (Exception e) {
      // Spark throws both without declaring them.
      if (e instanceof AnalysisException || e instanceof SparkException) {
        throw SqueezeException.input(
            full + " is no Parquet that Spark can read (" + option + ")", e);
      }
      throw e;
    }
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
        "The column "
            + column
            + " is "
            + type.simpleString()
            + ": a photo or a mask is bytes, a path, or a struct of bytes and path (--dataset)");
  }

  private static boolean field(DataType type, String name, DataType wanted) {
    return type instanceof StructType struct
        && List.of(struct.fieldNames()).contains(name)
        && struct.apply(name).dataType().equals(wanted);
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
