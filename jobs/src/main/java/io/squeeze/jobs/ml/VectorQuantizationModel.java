package io.squeeze.jobs.ml;

import ai.djl.ndarray.NDManager;
import io.squeeze.codec.BitPacking;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.LoadedModel;
import io.squeeze.quantize.Quantized;
import io.squeeze.quantize.Quantizer;
import io.squeeze.storage.Storage;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.TaskCompletionListener;

/**
 * A fitted {@link VectorQuantization}: adds a column of codes, {@code array<int>}, and where asked
 * for one of the vectors that they stand for, {@code array<float>}.
 */
public final class VectorQuantizationModel extends Model<VectorQuantizationModel>
    implements MLWritable {
  private static final long serialVersionUID = 1L;
  private static final String FILE = "model.ckpt";

  private final String uid;
  private final Checkpoint checkpoint;
  private final Param<String> inputCol;
  private final Param<String> outputCol;
  private final Param<String> reconstructionCol;

  VectorQuantizationModel(String uid, Checkpoint checkpoint) {
    this.uid = uid;
    this.checkpoint = checkpoint;
    inputCol = new Param<>(this, "inputCol", "column of vectors");
    outputCol = new Param<>(this, "outputCol", "column of codes to add");
    reconstructionCol =
        new Param<>(this, "reconstructionCol", "column of decoded vectors to add; empty: none");
    setDefault(inputCol, "features");
    setDefault(outputCol, "codes");
    setDefault(reconstructionCol, "");
  }

  @Override
  public String uid() {
    return uid;
  }

  public Param<String> inputCol() {
    return inputCol;
  }

  public Param<String> outputCol() {
    return outputCol;
  }

  public Param<String> reconstructionCol() {
    return reconstructionCol;
  }

  public VectorQuantizationModel setInputCol(String value) {
    set(inputCol, value);
    return this;
  }

  public VectorQuantizationModel setOutputCol(String value) {
    set(outputCol, value);
    return this;
  }

  /** Adds a column of decoded vectors; default empty: none. */
  public VectorQuantizationModel setReconstructionCol(String value) {
    set(reconstructionCol, value);
    return this;
  }

  /** What {@code encode} and {@code evaluate} read, too. */
  public Checkpoint checkpoint() {
    return checkpoint;
  }

  /** Bits of a vector's codes at a fixed width. */
  public double bitsPerVector() {
    return Arrays.stream(checkpoint.model().quantizer().levels()).map(BitPacking::bits).sum();
  }

  static StructType added(StructType schema, String input, String output, String decoded) {
    VectorColumn.check(schema, input);
    StructType with = schema.add(output, DataTypes.createArrayType(DataTypes.IntegerType, false));
    for (String name : List.of(output, decoded)) {
      if (List.of(schema.fieldNames()).contains(name)) {
        throw SqueezeException.configuration("There is a column " + name + " already");
      }
    }
    return decoded.isEmpty()
        ? with
        : with.add(decoded, DataTypes.createArrayType(DataTypes.FloatType, false));
  }

  @Override
  public StructType transformSchema(StructType schema) {
    return added(
        schema, getOrDefault(inputCol), getOrDefault(outputCol), getOrDefault(reconstructionCol));
  }

  @Override
  public Dataset<Row> transform(Dataset<?> dataset) {
    StructType schema = transformSchema(dataset.schema());
    String column = getOrDefault(inputCol);
    int index = dataset.schema().fieldIndex(column);
    VectorColumn reader = new VectorColumn(column, index, -1, checkpoint.layout().channels());
    boolean decoded = !getOrDefault(reconstructionCol).isEmpty();
    SparkSession spark = dataset.sparkSession();
    Broadcast<Checkpoint> sent =
        JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(checkpoint.forUse());
    MapPartitionsFunction<Row, Row> encode =
        rows -> new Encoding(sent.value(), reader, decoded, rows);
    return dataset.toDF().mapPartitions(encode, ExpressionEncoder.apply(schema));
  }

  /** Rows with their codes, quantized 256 at a time. */
  private static final class Encoding implements Iterator<Row> {
    private final Checkpoint checkpoint;
    private final VectorColumn column;
    private final boolean decoded;
    private final Iterator<Row> rows;
    private final Deque<Row> ready = new ArrayDeque<>();
    private LoadedModel loaded;

    Encoding(Checkpoint checkpoint, VectorColumn column, boolean decoded, Iterator<Row> rows) {
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
      if (ready.isEmpty()) {
        close();
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

    private void close() {
      if (loaded != null) {
        loaded.close();
        loaded = null;
      }
    }

    private void encode() {
      if (loaded == null) {
        loaded = LoadedModel.of(checkpoint);
        // A consumer may stop early.
        TaskContext.get().addTaskCompletionListener((TaskCompletionListener) ended -> close());
      }
      List<Row> block = new ArrayList<>();
      float[] values = new float[VectorFit.BLOCK * column.channels()];
      while (block.size() < VectorFit.BLOCK && rows.hasNext()) {
        Row row = rows.next();
        float[] vector = column.vector(row);
        System.arraycopy(vector, 0, values, block.size() * vector.length, vector.length);
        block.add(row);
      }
      try (NDManager scope = loaded.manager().newSubManager()) {
        Quantized out =
            loaded
                .model()
                .quantizer()
                .quantize(
                    VectorFit.rows(scope, values, column.channels()),
                    loaded.parameters(),
                    Quantizer.Step.EVALUATION);
        int[] codes = out.codeValues();
        float[] vectors = decoded ? Torch.tensor(out.vectors()).floats() : null;
        int depth = codes.length / VectorFit.BLOCK;
        for (int i = 0; i < block.size(); i++) {
          ready.add(row(block.get(i), codes, depth, vectors, i));
        }
      }
    }

    private Row row(Row source, int[] codes, int depth, float[] vectors, int i) {
      Object[] cells = new Object[source.size() + (decoded ? 2 : 1)];
      for (int c = 0; c < source.size(); c++) {
        cells[c] = source.get(c);
      }
      cells[source.size()] = Arrays.copyOfRange(codes, i * depth, (i + 1) * depth);
      if (decoded) {
        int width = column.channels();
        cells[source.size() + 1] = Arrays.copyOfRange(vectors, i * width, (i + 1) * width);
      }
      return RowFactory.create(cells);
    }
  }

  @Override
  public VectorQuantizationModel copy(ParamMap extra) {
    VectorQuantizationModel copy = new VectorQuantizationModel(uid, checkpoint);
    copyValues(copy, extra).setParent(parent());
    return copy;
  }

  @Override
  public MLWriter write() {
    VectorQuantizationModel model = this;
    return new MLWriter() {
      @Override
      public void saveImpl(String path) {
        DefaultParamsWriter.saveMetadata(
            model, path, sc(), scala.Option.empty(), scala.Option.empty());
        try {
          HadoopStorage storage = new HadoopStorage(sparkSession());
          storage.replace(Storage.join(path, FILE), checkpoint::write);
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
    };
  }

  /** What {@link #write} wrote. */
  public static MLReader<VectorQuantizationModel> read() {
    return new MLReader<>() {
      @Override
      public VectorQuantizationModel load(String path) {
        DefaultParamsReader.Metadata metadata =
            DefaultParamsReader.loadMetadata(path, sc(), VectorQuantizationModel.class.getName());
        HadoopStorage storage = new HadoopStorage(sparkSession());
        Checkpoint checkpoint = Checkpoint.read(storage, Storage.join(path, FILE));
        VectorQuantizationModel model = new VectorQuantizationModel(metadata.uid(), checkpoint);
        metadata.getAndSetParams(model, scala.Option.empty());
        return model;
      }
    };
  }

  /** The model that was saved at a path. */
  public static VectorQuantizationModel load(String path) {
    return read().load(path);
  }
}
