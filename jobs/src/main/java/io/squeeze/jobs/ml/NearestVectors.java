package io.squeeze.jobs.ml;

import static org.apache.spark.sql.functions.array_sort;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.collect_list;
import static org.apache.spark.sql.functions.struct;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.model.SourceVectors.Named;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.search.CodeSearch;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.weights.HostTensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import org.apache.spark.ml.Transformer;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * A Spark ML transformer that adds the nearest vectors of an index to vectors:
 *
 * <pre>{@code
 * new NearestVectors().setCodes("codes/table").setInputCol("embedding").setK(10).transform(queries);
 * }</pre>
 *
 * <p>The new column is an array of structs, the nearest first: rank from 1, sample_id, position (y
 * * width + x in a grid, 0 in a table), distance. It is null where the vector is null. The index is
 * opened, and the search planned, when the DataFrame is transformed.
 */
public final class NearestVectors extends Transformer implements DefaultParamsWritable {
  private static final long serialVersionUID = 1L;

  private static final StructType NEIGHBOUR =
      new StructType()
          .add(Columns.RANK, DataTypes.IntegerType, false)
          .add(Columns.SAMPLE_ID, DataTypes.StringType, false)
          .add(Columns.POSITION, DataTypes.IntegerType, false)
          .add(Columns.DISTANCE, DataTypes.DoubleType, false);

  private final String uid;
  private final Param<String> codes;
  private final Param<String> inputCol;
  private final Param<String> outputCol;
  private final IntParam k;
  private final IntParam nprobe;
  private final Param<String> filter;
  private final Param<String> rerank;
  private final Param<String> rerankVectorCol;
  private final Param<String> rerankIdCol;
  private final IntParam candidates;

  public NearestVectors() {
    this(Identifiable$.MODULE$.randomUID("nearestVectors"));
  }

  /** For Spark's reader. */
  public NearestVectors(String uid) {
    this.uid = uid;
    codes = new Param<>(this, "codes", "data set of codes with an index");
    inputCol = new Param<>(this, "inputCol", "column of vectors to look for");
    outputCol = new Param<>(this, "outputCol", "column of neighbours to add");
    k = new IntParam(this, "k", "neighbours of each vector");
    nprobe = new IntParam(this, "nprobe", "lists to read for each vector; 0: the index's usual");
    filter = new Param<>(this, "filter", "condition in SQL on the columns of the index");
    rerank = new Param<>(this, "rerank", "vectors that the codes were made from; empty: none");
    rerankVectorCol = new Param<>(this, "rerankVectorCol", "their column of vectors, in a table");
    rerankIdCol = new Param<>(this, "rerankIdCol", "their column of ids, in a table");
    candidates = new IntParam(this, "candidates", "neighbours to measure again; 0: ten times k");
    setDefault(inputCol, "embedding");
    setDefault(outputCol, "neighbours");
    setDefault(k, 10);
    setDefault(nprobe, 0);
    setDefault(filter, "");
    setDefault(rerank, "");
    setDefault(rerankVectorCol, "");
    setDefault(rerankIdCol, "");
    setDefault(candidates, 0);
  }

  @Override
  public String uid() {
    return uid;
  }

  public Param<String> codes() {
    return codes;
  }

  public Param<String> inputCol() {
    return inputCol;
  }

  public Param<String> outputCol() {
    return outputCol;
  }

  public IntParam k() {
    return k;
  }

  public IntParam nprobe() {
    return nprobe;
  }

  public Param<String> filter() {
    return filter;
  }

  public Param<String> rerank() {
    return rerank;
  }

  public Param<String> rerankVectorCol() {
    return rerankVectorCol;
  }

  public Param<String> rerankIdCol() {
    return rerankIdCol;
  }

  public IntParam candidates() {
    return candidates;
  }

  /** Data set of codes for which {@code index} made an index. */
  public NearestVectors setCodes(String value) {
    return with(codes, value);
  }

  /** Column of vectors: arrays of numbers, or Spark ML's Vector; default embedding. */
  public NearestVectors setInputCol(String value) {
    return with(inputCol, value);
  }

  /** Column of neighbours to add; default neighbours. */
  public NearestVectors setOutputCol(String value) {
    return with(outputCol, value);
  }

  /** Neighbours of each vector; default 10. */
  public NearestVectors setK(int value) {
    return with(k, value);
  }

  /** Lists to read for each vector; default 0: as many as kept 98 % of the nearest at indexing. */
  public NearestVectors setNprobe(int value) {
    return with(nprobe, value);
  }

  /** Condition in SQL on the columns of the index; default none. */
  public NearestVectors setFilter(String value) {
    return with(filter, value);
  }

  /**
   * Embeddings, or a table of vectors, that the codes were made from: the candidates are measured
   * again on them. Default none.
   */
  public NearestVectors setRerank(String value) {
    return with(rerank, value);
  }

  /** Column of vectors of a table to measure on again. */
  public NearestVectors setRerankVectorCol(String value) {
    return with(rerankVectorCol, value);
  }

  /** Column of ids of that table. */
  public NearestVectors setRerankIdCol(String value) {
    return with(rerankIdCol, value);
  }

  /** Neighbours by codes that are measured again; default 0: ten times k. */
  public NearestVectors setCandidates(int value) {
    return with(candidates, value);
  }

  private <V> NearestVectors with(Param<V> param, V value) {
    set(param, value);
    return this;
  }

  @Override
  public StructType transformSchema(StructType schema) {
    VectorColumn.check(schema, getOrDefault(inputCol));
    String name = getOrDefault(outputCol);
    VectorColumn.checkFree(schema, name);
    return schema.add(name, DataTypes.createArrayType(NEIGHBOUR, false), true);
  }

  @Override
  public Dataset<Row> transform(Dataset<?> dataset) {
    StructType schema = transformSchema(dataset.schema());
    if (!isSet(codes)) {
      throw SqueezeException.configuration("Set codes to a data set of codes with an index");
    }
    // A vector names itself: no id is needed, and equal vectors are looked for once.
    UDF1<Object, byte[]> bytes = value -> value == null ? null : bytes(value);
    Column vector = Tables.quoted(getOrDefault(inputCol));
    String name = getOrDefault(outputCol);
    String key = uid + "_key";
    Dataset<Row> keyed = dataset.withColumn(key, udf(bytes, DataTypes.BinaryType).apply(vector));
    Dataset<Row> queries =
        keyed
            .where(vector.isNotNull())
            .select(col(key).as(Columns.QUERY_ID), vector.as(Columns.VECTOR))
            .dropDuplicates(new String[] {Columns.QUERY_ID});
    Column[] fields =
        Arrays.stream(NEIGHBOUR.fieldNames()).map(field -> col(field)).toArray(Column[]::new);
    Dataset<Row> found =
        found(queries)
            .groupBy(col(Columns.QUERY_ID).as(key))
            .agg(array_sort(collect_list(struct(fields))).as(name));
    Column[] all = Arrays.stream(schema.fieldNames()).map(Tables::quoted).toArray(Column[]::new);
    return keyed.join(found, new String[] {key}, "left").select(all);
  }

  private Dataset<Row> found(Dataset<Row> queries) {
    CodeSearch.Request request =
        new CodeSearch.Request(number(k), number(nprobe), unlessEmpty(getOrDefault(filter)));
    SqueezeSession session = SqueezeSession.of(queries.sparkSession(), Reporter.standard());
    try {
      CodeSearch search = CodeSearch.open(session, getOrDefault(codes));
      if (getOrDefault(rerank).isEmpty()) {
        return search.nearestOfAny(queries, request);
      }
      Named source =
          new Named(
              getOrDefault(rerank),
              "rerank",
              unlessEmpty(getOrDefault(rerankVectorCol)),
              unlessEmpty(getOrDefault(rerankIdCol)));
      return search.nearestOfAny(queries, request, source, request.candidates(number(candidates)));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private int number(IntParam param) {
    return (Integer) getOrDefault(param);
  }

  private static String unlessEmpty(String value) {
    return value.isEmpty() ? null : value;
  }

  private static byte[] bytes(Object vector) {
    float[] values = VectorColumn.floats(vector);
    return HostTensor.of(values, values.length).bytes();
  }

  @Override
  public NearestVectors copy(ParamMap extra) {
    return defaultCopy(extra);
  }

  /** What {@link #write} wrote. */
  public static MLReader<NearestVectors> read() {
    return new DefaultParamsReader<>();
  }

  /** The transformer that was saved at a path. */
  public static NearestVectors load(String path) {
    return read().load(path);
  }
}
