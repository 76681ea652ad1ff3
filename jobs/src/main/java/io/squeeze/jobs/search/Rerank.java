package io.squeeze.jobs.search;

import static org.apache.spark.sql.functions.broadcast;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.SourceVectors;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.quantize.KMeans;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Measures candidates again, on the vectors that their codes were made from. */
final class Rerank {
  /** Queries, or candidates, that are sent to all tasks instead of shuffled, in bytes. */
  private static final long MOST_SENT = 64L << 20;

  private static final long BYTES_OF_CANDIDATE = 60;

  /** Ids that Parquet is asked for by name. */
  private static final int MOST_IDS = 128;

  /** The vector of a query as it was given. */
  static final String QUERY = "query_vector";

  private static final StructType MEASURED =
      new StructType()
          .add(Columns.QUERY_ID, DataTypes.BinaryType, false)
          .add(Queries.KEY, DataTypes.LongType, false)
          .add(Columns.SAMPLE_ID, DataTypes.StringType, false)
          .add(Columns.POSITION, DataTypes.IntegerType, false)
          .add(Columns.DISTANCE, DataTypes.DoubleType, false);

  private Rerank() {}

  /**
   * The k nearest of the candidates of each query.
   *
   * @param candidates query_id, query_key, sample_id, position
   * @param each candidates of a query, at most
   * @param queries query_id, query_key, query_vector: the vectors as they were given
   * @param source sample_id, position, vector
   * @return query_id, rank, sample_id, position, distance; candidates without a vector are left out
   */
  static Dataset<Row> nearest(
      Dataset<Row> candidates, int each, Dataset<Row> queries, SourceVectors source, int k) {
    String[] query = {Columns.QUERY_ID, Queries.KEY};
    String[] sample = {Columns.SAMPLE_ID, Columns.POSITION};
    Dataset<Row> wanted =
        candidates.select(Columns.QUERY_ID, Queries.KEY, Columns.SAMPLE_ID, Columns.POSITION);
    Dataset<Row> vectors = source.rows();
    long asked = queries.count();
    long most = asked * each;
    if (most <= MOST_IDS) {
      List<Row> known = wanted.collectAsList();
      wanted = wanted.sparkSession().createDataFrame(known, wanted.schema());
      vectors = vectors.where(anyOf(wanted.select(Columns.SAMPLE_ID).distinct().collectAsList()));
    }
    boolean few = most * BYTES_OF_CANDIDATE <= MOST_SENT;
    Dataset<Row> found = vectors.join(few ? broadcast(wanted) : wanted, sample);
    boolean small = asked * source.channels() * Float.BYTES <= MOST_SENT;
    JavaRDD<Row> measured =
        SparkInternals.rows(
                found
                    .join(small ? broadcast(queries) : queries, query)
                    .select(
                        Columns.QUERY_ID,
                        Queries.KEY,
                        Columns.SAMPLE_ID,
                        Columns.POSITION,
                        QUERY,
                        Columns.VECTOR))
            .map(Rerank::measured);
    return Ranked.first(candidates.sparkSession().createDataFrame(measured, MEASURED), k);
  }

  private static Row measured(InternalRow row) {
    float[] query = row.getArray(4).toFloatArray();
    ArrayData found = row.getArray(5);
    if (found.numElements() != query.length || VectorColumn.holdsNull(found)) {
      throw SqueezeException.input(
          "The vector of %s has %d values, or a null among them; the codes are of vectors of %d (--rerank)"
              .formatted(row.getString(2), found.numElements(), query.length));
    }
    float[] vector = found.toFloatArray();
    return RowFactory.create(
        row.getBinary(0),
        row.getLong(1),
        row.getString(2),
        row.getInt(3),
        Math.sqrt(KMeans.squared(query, 0, vector, 0, query.length)));
  }

  private static Column anyOf(List<Row> ids) {
    return ids.stream()
        .map(id -> col(Columns.SAMPLE_ID).equalTo(id.getString(0)))
        .reduce(Column::or)
        .orElse(lit(false));
  }
}
