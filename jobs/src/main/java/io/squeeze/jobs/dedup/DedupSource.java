package io.squeeze.jobs.dedup;

import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.GridVectors;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.publish.CodebookFile;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.ForeignTable;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.search.Codewords;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.api.java.UDF5;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.DateType;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.TimestampType;

/**
 * The vectors to look for near-duplicates among.
 *
 * @param rows sample_id, keep_order (of two, the one with the lower number stays), vector
 * @param count how many there are
 * @param channels values of a vector
 * @param what they are, for people
 */
public record DedupSource(Dataset<Row> rows, long count, int channels, String what) {
  private static final DataType FLOATS = DataTypes.createArrayType(DataTypes.FloatType, false);

  /** How a grid becomes one vector. */
  public enum Pool {
    /** The mean of its vectors. */
    MEAN,
    /** All its vectors, one after the other. */
    GRID
  }

  /**
   * The vectors of a table.
   *
   * @param keep column of which the largest value of a group stays; null: the first id stays
   * @throws SqueezeException of category input if ids repeat, or a column cannot be used
   */
  public static DedupSource table(
      SqueezeSession session, VectorTable table, String idColumn, String keep) throws IOException {
    VectorTable.Repeated repeated = table.repeated();
    if (repeated.ids() > 0) {
      throw SqueezeException.input(
          repeated.sentence(table.path()) + ": an id must name one row, to say which one stays");
    }
    Dataset<Row> rows =
        table
            .rows()
            .select(
                col(Columns.SAMPLE_ID),
                lit(0.0).as("keep_order"),
                VectorColumn.floats(table.rows(), Columns.VECTOR).as(Columns.VECTOR));
    if (keep != null) {
      rows = ordered(session, rows, table.path(), idColumn, keep);
    }
    return new DedupSource(rows, table.count(), table.channels(), "the vectors of the table");
  }

  private static Dataset<Row> ordered(
      SqueezeSession session, Dataset<Row> rows, String path, String idColumn, String keep)
      throws IOException {
    ForeignTable table = ForeignTable.open(session, path, "--keep", List.of(idColumn, keep));
    DataType type = table.rows().schema().apply(keep).dataType();
    boolean number = type instanceof NumericType;
    if (!number && !(type instanceof TimestampType) && !(type instanceof DateType)) {
      throw SqueezeException.input(
          "The column %s is %s: the largest number, date or time stays (--keep)"
              .formatted(keep, type.simpleString()));
    }
    Column value = Tables.quoted(keep);
    Column order = (number ? value : value.cast("timestamp")).cast("double");
    Dataset<Row> orders =
        table
            .rows()
            .select(
                Tables.id(table.rows(), idColumn).as(Columns.SAMPLE_ID),
                coalesce(order.multiply(-1), lit(Double.MAX_VALUE)).as("keep_order"));
    return rows.drop("keep_order")
        .join(orders, Columns.SAMPLE_ID)
        .select(Columns.SAMPLE_ID, "keep_order", Columns.VECTOR);
  }

  /** The grids of embeddings. */
  public static DedupSource embeddings(SqueezeSession session, Published embeddings, Pool pool) {
    Manifest manifest = embeddings.manifest();
    UDF5<byte[], Integer, Integer, Integer, String, float[]> pooled =
        (embedding, channels, height, width, dtype) ->
            pooled(GridVectors.values(embedding, dtype), channels, height * width, pool);
    Dataset<Row> rows =
        embeddings
            .read(session.spark())
            .select(
                col(Columns.SAMPLE_ID),
                lit(0.0).as("keep_order"),
                udf(pooled, FLOATS)
                    .apply(
                        col(Columns.EMBEDDING),
                        col(Columns.CHANNELS),
                        col(Columns.GRID_HEIGHT),
                        col(Columns.GRID_WIDTH),
                        col(Columns.DTYPE))
                    .as(Columns.VECTOR));
    return new DedupSource(
        rows, manifest.samples(), width(manifest, pool), named(manifest, pool, "embeddings"));
  }

  /** The vectors that codes stand for. */
  public static DedupSource codes(SqueezeSession session, Published codes, Pool pool)
      throws IOException {
    Manifest manifest = codes.manifest();
    int channels = manifest.channels();
    Broadcast<Codewords> words =
        JavaSparkContext.fromSparkContext(session.spark().sparkContext())
            .broadcast(new Codewords(CodebookFile.vectors(session.storage(), codes), channels));
    UDF1<scala.collection.Seq<Integer>, float[]> decoded =
        levels -> {
          int depth = words.value().levels();
          int count = levels.size() / depth;
          int[] all = new int[levels.size()];
          for (int i = 0; i < all.length; i++) {
            all[i] = levels.apply(i);
          }
          float[] grid = new float[count * channels];
          for (int position = 0; position < count; position++) {
            float[] vector = words.value().decode(all, position * depth);
            for (int c = 0; c < channels; c++) {
              grid[c * count + position] = vector[c];
            }
          }
          return pooled(grid, channels, count, pool);
        };
    Dataset<Row> rows =
        codes
            .read(session.spark())
            .select(
                col(Columns.SAMPLE_ID),
                lit(0.0).as("keep_order"),
                udf(decoded, FLOATS).apply(col(Columns.CODES)).as(Columns.VECTOR));
    return new DedupSource(
        rows, manifest.samples(), width(manifest, pool), named(manifest, pool, "decoded vectors"));
  }

  private static int width(Manifest manifest, Pool pool) {
    return pool == Pool.MEAN ? manifest.channels() : manifest.channels() * manifest.positions();
  }

  private static String named(Manifest manifest, Pool pool, String what) {
    if (manifest.positions() == 1) {
      return what;
    }
    return (pool == Pool.MEAN ? "means of the grids of " : "whole grids of ") + what;
  }

  /** One vector of a grid [channels, positions]. */
  private static float[] pooled(float[] grid, int channels, int positions, Pool pool) {
    if (pool == Pool.GRID) {
      return grid;
    }
    float[] mean = new float[channels];
    for (int c = 0; c < channels; c++) {
      double sum = 0;
      for (int position = 0; position < positions; position++) {
        sum += grid[c * positions + position];
      }
      mean[c] = (float) (sum / positions);
    }
    return mean;
  }

  /** What a path names: embeddings; empty for a table. */
  public static Optional<Published> published(SqueezeSession session, String path)
      throws IOException {
    return new Versions(session.storage(), path)
        .current()
        .filter(version -> version.manifest().table().equals(Manifest.EMBEDDINGS));
  }
}
