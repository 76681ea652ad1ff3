package io.squeeze.jobs.search;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.collect_list;
import static org.apache.spark.sql.functions.countDistinct;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.row_number;
import static org.apache.spark.sql.functions.sort_array;
import static org.apache.spark.sql.functions.struct;

import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.search.CodeList;
import io.squeeze.search.Codewords;
import io.squeeze.search.Nearest;
import java.util.Arrays;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.expressions.Window;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Photos that look like others. The distance of two grids is that of {@code code_distance}: for
 * each vector of the query the distance to the nearest vector of the other grid, and their mean.
 * The index proposes the photos that hold neighbours of most vectors of the query.
 */
final class PhotoSearch {
  /** Neighbours of each vector of a query that may propose photos. */
  private static final int PROPOSING = 20;

  private static final String MET = "met";
  private static final String APART = "apart";
  private static final String GRID = "grid";
  private static final String PLACE = "place";

  private static final StructType FOUND =
      new StructType()
          .add(Columns.QUERY_ID, DataTypes.BinaryType, false)
          .add(Queries.KEY, DataTypes.LongType, false)
          .add(Columns.SAMPLE_ID, DataTypes.StringType, false)
          .add(Columns.POSITION, DataTypes.IntegerType, true)
          .add(Columns.DISTANCE, DataTypes.DoubleType, false);

  private PhotoSearch() {}

  /** Neighbours of each vector from which photos are proposed. */
  static CodeSearch.Request proposing(CodeSearch.Request request) {
    return new CodeSearch.Request(PROPOSING, request.probes(), request.filter());
  }

  /**
   * The k nearest photos of each query.
   *
   * @param hits the neighbours of the queries' vectors, see {@link #proposing}
   * @param located the queries' vectors, by query_id
   * @param codes the grids of codes
   * @param candidates photos of each query that are measured
   */
  static Dataset<Row> nearest(
      Dataset<Row> hits,
      Dataset<Row> located,
      Published codes,
      Codewords words,
      int candidates,
      int k) {
    SparkSession spark = hits.sparkSession();
    Dataset<Row> proposed =
        hits.groupBy(Columns.QUERY_ID, Columns.SAMPLE_ID)
            .agg(countDistinct(Queries.KEY).as(MET), avg(Columns.DISTANCE).as(APART))
            .withColumn(
                PLACE,
                row_number()
                    .over(
                        Window.partitionBy(Columns.QUERY_ID)
                            .orderBy(col(MET).desc(), col(APART), col(Columns.SAMPLE_ID))))
            .where(col(PLACE).leq(candidates))
            .select(Columns.QUERY_ID, Columns.SAMPLE_ID);
    Dataset<Row> grids =
        located
            .groupBy(Columns.QUERY_ID)
            .agg(
                sort_array(
                        collect_list(
                            struct(col(Queries.KEY), col(Queries.REST), col(Columns.VECTOR))))
                    .as(GRID));
    Dataset<Row> pairs =
        proposed
            .join(codes.read(spark).select(Columns.SAMPLE_ID, Columns.CODES), Columns.SAMPLE_ID)
            .join(grids, Columns.QUERY_ID)
            .select(Columns.QUERY_ID, Columns.SAMPLE_ID, Columns.CODES, GRID);
    Broadcast<Codewords> sent =
        JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(words);
    JavaRDD<Row> measured =
        SparkInternals.rows(pairs)
            .map(
                row ->
                    RowFactory.create(
                        row.getBinary(0),
                        0L,
                        row.getUTF8String(1).toString(),
                        null,
                        distance(sent.value(), row.getArray(2).toIntArray(), row.getArray(3))));
    return Ranked.first(spark.createDataFrame(measured, FOUND), k);
  }

  /** The columns of neighbours of vectors, for whole photos. */
  static Dataset<Row> shown(Dataset<Row> ranked) {
    return Ranked.shown(ranked.withColumn(Columns.POSITION, lit(null).cast("int")));
  }

  private static double distance(Codewords words, int[] codes, ArrayData grid) {
    Tasks.startOnCpu();
    CodeList list = new CodeList(words);
    int depth = words.levels();
    for (int from = 0; from < codes.length; from += depth) {
      list.add(Arrays.copyOfRange(codes, from, from + depth));
    }
    Nearest nearest = new Nearest(1);
    double sum = 0;
    for (int from = 0; from < grid.numElements(); from += Codewords.QUERIES) {
      int count = Math.min(Codewords.QUERIES, grid.numElements() - from);
      float[][] vectors = new float[count][];
      float[] rests = new float[count];
      for (int q = 0; q < count; q++) {
        InternalRow vector = grid.getStruct(from + q, 3);
        rests[q] = vector.getFloat(1);
        vectors[q] = vector.getArray(2).toFloatArray();
      }
      float[] products = words.products(vectors);
      for (int q = 0; q < count; q++) {
        nearest.clear();
        list.scan(products, q, 0, list.count(), nearest);
        double squared = nearest.bound() + words.square(vectors[q]) + rests[q];
        sum += Math.sqrt(Math.max(0, squared));
      }
    }
    return sum / grid.numElements();
  }
}
