package io.squeeze.jobs.search;

import static org.apache.spark.sql.functions.col;

import io.squeeze.jobs.model.Expanded;
import io.squeeze.jobs.model.Groups;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.model.SearchSpace;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.search.Centroids;
import io.squeeze.train.Checkpoint;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Queries where codes are searched, with the lists that are nearest to each. */
final class Queries {
  /** Tells queries with the same id apart: a hash of the vector. */
  static final String KEY = "query_key";

  /** The squared length of what the projection cuts off. */
  static final String REST = "rest";

  static final String LISTS = "lists";

  static final StructType SCHEMA =
      new StructType()
          .add(Columns.QUERY_ID, DataTypes.BinaryType, false)
          .add(KEY, DataTypes.LongType, false)
          .add(Columns.VECTOR, DataTypes.createArrayType(DataTypes.FloatType, false), false)
          .add(REST, DataTypes.FloatType, false)
          .add(LISTS, DataTypes.createArrayType(DataTypes.IntegerType, false), false);

  /** The lists of a query that is compared with all vectors. */
  static final int[] ALL_LISTS = {};

  private static final int BLOCK = 1024;

  private Queries() {}

  /**
   * Queries as a search takes them: what names them as bytes, so that it may be anything, and their
   * vectors.
   */
  static Dataset<Row> of(Dataset<Row> queries, String id, String vector) {
    return queries.select(
        col(id).cast(DataTypes.BinaryType).as(Columns.QUERY_ID), col(vector).as(Columns.VECTOR));
  }

  /**
   * Looks for the lists of queries.
   *
   * @param queries of {@link #of}
   * @param probes lists of each
   */
  static Dataset<Row> located(OpenedIndex index, Dataset<Row> queries, int probes) {
    JavaSparkContext context =
        JavaSparkContext.fromSparkContext(queries.sparkSession().sparkContext());
    Broadcast<Checkpoint> checkpoint =
        context.broadcast(index.quantizer().checkpoint().withoutHead().forUse());
    Broadcast<SearchSpace> space = context.broadcast(index.space());
    Broadcast<Centroids> centroids = context.broadcast(index.centroids());
    int channels = index.quantizer().checkpoint().layout().channels();
    VectorColumn column = new VectorColumn(queries.schema().fieldNames()[1], 1, 0, channels);
    MapPartitionsFunction<Row, Row> locate =
        rows ->
            new Expanded<>(
                new Groups<>(rows, BLOCK),
                some ->
                    located(
                        some,
                        column,
                        LoadedModel.inTask(checkpoint.value()),
                        space.value(),
                        centroids.value(),
                        probes));
    return queries.mapPartitions(locate, ExpressionEncoder.apply(SCHEMA));
  }

  /** Queries with their keys: query_id, query_key, query_vector. */
  static Dataset<Row> keyed(Dataset<Row> queries) {
    MapFunction<Row, Row> keyed =
        row -> {
          float[] vector = VectorColumn.floats(row.get(1));
          return RowFactory.create(row.<byte[]>getAs(0), VectorColumn.key(vector), vector);
        };
    StructType schema =
        new StructType()
            .add(Columns.QUERY_ID, DataTypes.BinaryType, false)
            .add(KEY, DataTypes.LongType, false)
            .add(Rerank.QUERY, DataTypes.createArrayType(DataTypes.FloatType, false), false);
    return queries.map(keyed, ExpressionEncoder.apply(schema));
  }

  private static List<Row> located(
      List<Row> rows,
      VectorColumn column,
      LoadedModel model,
      SearchSpace space,
      Centroids centroids,
      int probes) {
    float[][] vectors = rows.stream().map(column::vector).toArray(float[][]::new);
    float[][] located = space.located(model, vectors);
    int[][] lists = new int[located.length][];
    Arrays.fill(lists, ALL_LISTS);
    if (probes < centroids.count()) {
      lists = centroids.nearest(located, probes);
    }
    List<Row> found = new ArrayList<>();
    for (int i = 0; i < vectors.length; i++) {
      found.add(
          RowFactory.create(
              rows.get(i).<byte[]>getAs(0),
              VectorColumn.key(vectors[i]),
              located[i],
              space.cutOff(vectors[i], located[i]),
              lists[i]));
    }
    return found;
  }
}
