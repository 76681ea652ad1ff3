package io.squeeze.jobs.ml;

import io.squeeze.codec.BitPacking;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.model.VectorEncoding;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;

/**
 * A fitted {@link VectorQuantization}: adds a column of codes, {@code array<int>}, and where asked
 * for one of the vectors that they stand for, {@code array<float>}.
 */
public final class VectorQuantizationModel extends Model<VectorQuantizationModel>
    implements MLWritable {
  private static final long serialVersionUID = 1L;
  private static final String FILE = TrainedQuantizer.OF_SPARK_ML;

  private final String uid;
  private final Checkpoint checkpoint;
  private final Param<String> inputCol;
  private final Param<String> outputCol;
  private final Param<String> reconstructionCol;

  /** For Spark Connect, which lists stages as services: a model that nothing was fitted to. */
  public VectorQuantizationModel() {
    this(Identifiable$.MODULE$.randomUID("vectorQuantizationModel"), null);
  }

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
    return Arrays.stream(checkpoint.model().quantizer().codebookSizes())
        .map(BitPacking::bits)
        .sum();
  }

  private VectorEncoding encoding() {
    return new VectorEncoding(
        checkpoint,
        getOrDefault(inputCol),
        getOrDefault(outputCol),
        getOrDefault(reconstructionCol),
        "");
  }

  @Override
  public StructType transformSchema(StructType schema) {
    return encoding().schema(schema);
  }

  @Override
  public Dataset<Row> transform(Dataset<?> dataset) {
    return encoding().encode(dataset);
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
        SparkInternals.saveStage(model, path, sparkSession());
        try {
          HadoopStorage storage = Sessions.storage(sparkSession());
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
            SparkInternals.loadStage(path, sparkSession(), VectorQuantizationModel.class);
        HadoopStorage storage = Sessions.storage(sparkSession());
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
