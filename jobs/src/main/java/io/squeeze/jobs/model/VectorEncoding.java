package io.squeeze.jobs.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.fit.Blocks;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.quantize.Quantized;
import io.squeeze.quantize.Quantizer;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.function.Function;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Adds the codes of a trained quantizer to a table of vectors.
 *
 * @param input column of vectors
 * @param output column of codes to add, {@code array<int>}
 * @param reconstruction column of decoded vectors to add, {@code array<float>}; empty: none
 * @param codeError column to add of what the codes lose of what the projection keeps, {@code
 *     double}, as squared error of a value of the vector; empty: none
 */
public record VectorEncoding(
    Checkpoint checkpoint, String input, String output, String reconstruction, String codeError) {
  private static final DataType CODES = DataTypes.createArrayType(DataTypes.IntegerType, false);

  /**
   * The columns with those that are added.
   *
   * @throws SqueezeException of category configuration or input if that cannot be
   */
  public StructType schema(StructType schema) {
    StructType with = schema(schema, input, output, reconstruction);
    return codeError.isEmpty() ? with : with.add(codeError, DataTypes.DoubleType);
  }

  /** The same before there is a checkpoint. */
  public static StructType schema(
      StructType schema, String input, String output, String reconstruction) {
    VectorColumn.check(schema, input);
    StructType with = schema.add(output, CODES);
    for (String name : List.of(output, reconstruction)) {
      VectorColumn.checkFree(schema, name);
    }
    return reconstruction.isEmpty()
        ? with
        : with.add(reconstruction, DataTypes.createArrayType(DataTypes.FloatType, false));
  }

  /** The rows with their codes. */
  public Dataset<Row> encode(Dataset<?> vectors) {
    StructType schema = schema(vectors.schema());
    int index = vectors.schema().fieldIndex(input);
    VectorColumn reader = new VectorColumn(input, index, -1, checkpoint.layout().channels());
    boolean decoded = !reconstruction.isEmpty();
    boolean measured = !codeError.isEmpty();
    Broadcast<Checkpoint> sent = sent(vectors);
    MapPartitionsFunction<Row, Row> encode =
        rows -> new Encoded<>(sent.value(), rows, row -> row, reader::vector, decoded, measured);
    return vectors.toDF().mapPartitions(encode, ExpressionEncoder.apply(schema));
  }

  /**
   * The codes alone, beside a column of text: vectors are read as Spark holds them, without an
   * object for each number. Not for streams; shuffles of the query that it is given run at once.
   *
   * @param id column that names a row, text that is never null
   */
  public Dataset<Row> codes(Dataset<Row> vectors, String id) {
    Dataset<Row> both = vectors.select(Tables.quoted(id), Tables.quoted(input));
    StructType schema = both.schema();
    VectorColumn.check(schema, input);
    int channels = checkpoint.layout().channels();
    VectorColumn reader = new VectorColumn(input, 1, 0, channels);
    VectorCells cells = new VectorCells(1, schema.apply(1).dataType());
    Broadcast<Checkpoint> sent = sent(vectors);
    FlatMapFunction<Iterator<InternalRow>, Row> encode =
        rows ->
            new Encoded<>(
                sent.value(),
                rows,
                row -> RowFactory.create(row.getString(0)),
                row -> reader.checked(cells.value(row)),
                false,
                false);
    return vectors
        .sparkSession()
        .createDataFrame(
            SparkInternals.rows(both).mapPartitions(encode),
            new StructType().add(schema.apply(0)).add(output, CODES));
  }

  private Broadcast<Checkpoint> sent(Dataset<?> vectors) {
    return JavaSparkContext.fromSparkContext(vectors.sparkSession().sparkContext())
        .broadcast(checkpoint.forUse());
  }

  /**
   * Rows with their codes, quantized 256 at a time.
   *
   * @param <T> a row as it is read; it may be valid until the next is, so {@code kept} gives one
   *     that stays
   */
  private static final class Encoded<T> implements Iterator<Row> {
    private final Checkpoint checkpoint;
    private final Iterator<T> rows;
    private final Function<T, Row> kept;
    private final Function<T, float[]> vector;
    private final boolean decoded;
    private final boolean measured;
    private final Deque<Row> ready = new ArrayDeque<>();

    Encoded(
        Checkpoint checkpoint,
        Iterator<T> rows,
        Function<T, Row> kept,
        Function<T, float[]> vector,
        boolean decoded,
        boolean measured) {
      this.checkpoint = checkpoint;
      this.rows = rows;
      this.kept = kept;
      this.vector = vector;
      this.decoded = decoded;
      this.measured = measured;
    }

    @Override
    public boolean hasNext() {
      if (ready.isEmpty() && rows.hasNext()) {
        encode();
      }
      return !ready.isEmpty();
    }

    @Override
    public Row next() {
      if (!hasNext()) {
        throw new java.util.NoSuchElementException();
      }
      return ready.remove();
    }

    private void encode() {
      LoadedModel loaded = LoadedModel.inTask(checkpoint);
      List<Row> block = new ArrayList<>();
      int width = checkpoint.layout().channels();
      float[] values = new float[Blocks.ROWS * width];
      while (block.size() < Blocks.ROWS && rows.hasNext()) {
        T row = rows.next();
        System.arraycopy(vector.apply(row), 0, values, block.size() * width, width);
        block.add(kept.apply(row));
      }
      Quantizer quantizer = loaded.quantizer();
      try (NDManager scope = loaded.manager().newSubManager()) {
        NDArray given = Blocks.rows(scope, values, width);
        Parameters parameters = loaded.parameters();
        Quantized out =
            decoded || measured
                ? quantizer.quantize(given, parameters, Quantizer.Mode.EVALUATION)
                : null;
        int[] codes =
            Quantized.values(out == null ? quantizer.codes(given, parameters) : out.codes());
        int depth = codes.length / Blocks.ROWS;
        float[] vectors = decoded ? Torch.tensor(out.vectors()).floats() : null;
        float[] errors = measured ? errors(loaded, given, out.vectors()) : null;
        for (int i = 0; i < block.size(); i++) {
          List<Object> added = new ArrayList<>();
          added.add(Arrays.copyOfRange(codes, i * depth, (i + 1) * depth));
          if (decoded) {
            added.add(Arrays.copyOfRange(vectors, i * width, (i + 1) * width));
          }
          if (measured) {
            added.add((double) errors[i] / width);
          }
          ready.add(MappedRows.with(block.get(i), added.toArray()));
        }
      }
    }

    /** Squared errors where the quantizer searches, [256]. */
    private static float[] errors(LoadedModel loaded, NDArray given, NDArray decoded) {
      NDArray before = loaded.quantizer().toSearchSpace(given, loaded.parameters());
      NDArray after = loaded.quantizer().toSearchSpace(decoded, loaded.parameters());
      return Torch.tensor(before.sub(after).square().sum(new int[] {1})).floats();
    }
  }
}
