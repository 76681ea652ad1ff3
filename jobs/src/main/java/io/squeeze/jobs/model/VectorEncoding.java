package io.squeeze.jobs.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.fit.Blocks;
import io.squeeze.quantize.Quantized;
import io.squeeze.quantize.Quantizer;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
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
    StructType with = schema.add(output, DataTypes.createArrayType(DataTypes.IntegerType, false));
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
    Broadcast<Checkpoint> sent =
        JavaSparkContext.fromSparkContext(vectors.sparkSession().sparkContext())
            .broadcast(checkpoint.forUse());
    MapPartitionsFunction<Row, Row> encode =
        rows -> new Encoded(sent.value(), reader, decoded, measured, rows);
    return vectors.toDF().mapPartitions(encode, ExpressionEncoder.apply(schema));
  }

  /** Rows with their codes, quantized 256 at a time. */
  private static final class Encoded implements Iterator<Row> {
    private final Checkpoint checkpoint;
    private final VectorColumn column;
    private final boolean decoded;
    private final boolean measured;
    private final Iterator<Row> rows;
    private final Deque<Row> ready = new ArrayDeque<>();

    Encoded(
        Checkpoint checkpoint,
        VectorColumn column,
        boolean decoded,
        boolean measured,
        Iterator<Row> rows) {
      this.measured = measured;
      this.checkpoint = checkpoint;
      this.column = column;
      this.decoded = decoded;
      this.rows = rows;
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
      float[] values = new float[Blocks.ROWS * column.channels()];
      while (block.size() < Blocks.ROWS && rows.hasNext()) {
        Row row = rows.next();
        float[] vector = column.vector(row);
        System.arraycopy(vector, 0, values, block.size() * vector.length, vector.length);
        block.add(row);
      }
      Quantizer quantizer = loaded.quantizer();
      try (NDManager scope = loaded.manager().newSubManager()) {
        NDArray given = Blocks.rows(scope, values, column.channels());
        Quantized out = quantizer.quantize(given, loaded.parameters(), Quantizer.Mode.EVALUATION);
        int[] codes = out.codeValues();
        int depth = codes.length / Blocks.ROWS;
        float[] vectors = decoded ? Torch.tensor(out.vectors()).floats() : null;
        float[] errors = measured ? errors(loaded, given, out.vectors()) : null;
        for (int i = 0; i < block.size(); i++) {
          List<Object> added = new ArrayList<>();
          added.add(Arrays.copyOfRange(codes, i * depth, (i + 1) * depth));
          if (decoded) {
            int width = column.channels();
            added.add(Arrays.copyOfRange(vectors, i * width, (i + 1) * width));
          }
          if (measured) {
            added.add((double) errors[i] / column.channels());
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
