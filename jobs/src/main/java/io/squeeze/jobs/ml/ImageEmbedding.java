package io.squeeze.jobs.ml;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.ExtractSettings.Pool;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.photo.Pooling;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.torch.Torch;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * A Spark ML transformer that adds the embeddings of photos: one vector a photo, {@code
 * array<float>}, or the grid of its vectors, a struct whose fields are those of our tables of
 * embeddings.
 *
 * <pre>{@code
 * Dataset<Row> photos = spark.read().format("binaryFile").load("photos/");
 * new ImageEmbedding().setModel("backbone.pt").setPool("mean").transform(photos);
 * }</pre>
 *
 * <p>Every executor loads the backbone once for each of its devices. A batch holds photos of
 * several rows, and its size does not change the vectors beyond the last bits of float32.
 */
public final class ImageEmbedding extends PhotoStage<ImageEmbedding> {
  private static final long serialVersionUID = 1L;

  private static final String ARRAY = "array";
  private static final String VECTOR = "vector";

  /** The fields of a grid. */
  private static final StructType GRID =
      new StructType()
          .add(Columns.HEIGHT, DataTypes.IntegerType)
          .add(Columns.WIDTH, DataTypes.IntegerType)
          .add(Columns.CHANNELS, DataTypes.IntegerType)
          .add(Columns.GRID_HEIGHT, DataTypes.IntegerType)
          .add(Columns.GRID_WIDTH, DataTypes.IntegerType)
          .add(Columns.DTYPE, DataTypes.StringType)
          .add(Columns.EMBEDDING, DataTypes.BinaryType);

  private final Param<String> pool;
  private final Param<String> embeddingDtype;
  private final Param<String> outputType;

  public ImageEmbedding() {
    this(Identifiable$.MODULE$.randomUID("imageEmbedding"));
  }

  /** For Spark's reader. */
  public ImageEmbedding(String uid) {
    super(uid, "embedding");
    pool = text("pool", "mean, cls, or none for the grid", "extract.pool");
    embeddingDtype = text("embeddingDtype", "type of a grid's values", "extract.embedding-dtype");
    outputType = new Param<>(this, "outputType", "type of one vector: array, or vector");
    setDefault(pool, "mean");
    setDefault(outputType, ARRAY);
  }

  public Param<String> pool() {
    return pool;
  }

  public Param<String> embeddingDtype() {
    return embeddingDtype;
  }

  public Param<String> outputType() {
    return outputType;
  }

  /**
   * Type of one vector: array (default), {@code array<float>}, as Spark's functions and our other
   * stages take it; or vector, Spark ML's Vector, as its classifiers do.
   */
  public ImageEmbedding setOutputType(String value) {
    return with(outputType, value);
  }

  /**
   * How a photo becomes one vector: mean (default) of its grid, or cls, the class token of vit or
   * of a file with prefix tokens; none: the grid itself.
   */
  public ImageEmbedding setPool(String value) {
    return with(pool, value);
  }

  /** Type of a grid's values: float32, float16, or auto (float16 for deeplab). */
  public ImageEmbedding setEmbeddingDtype(String value) {
    return with(embeddingDtype, value);
  }

  private Settings settings() {
    return settings(ConfigFactory.empty()).with("extract.pool", value(pool));
  }

  private boolean vectors() {
    String asked = value(outputType);
    if (!List.of(ARRAY, VECTOR).contains(asked)) {
      throw SqueezeException.configuration(
          "outputType is %s, not array or vector".formatted(asked));
    }
    return asked.equals(VECTOR);
  }

  @Override
  public StructType transformSchema(StructType schema) {
    PhotoColumn.of(schema, value(inputCol()));
    DataType vector =
        vectors()
            ? SQLDataTypes.VectorType()
            : DataTypes.createArrayType(DataTypes.FloatType, false);
    return with(schema, settings().extract().pool() == Pool.NONE ? GRID : vector);
  }

  @Override
  public Dataset<Row> transform(Dataset<?> dataset) {
    Settings settings = settings();
    Pool how = settings.extract().pool();
    boolean vectors = vectors();
    return photos(
        dataset,
        settings,
        (name, digest) -> {},
        backbone ->
            (grid, token, photo) -> {
              if (how != Pool.NONE) {
                float[] vector = Pooling.vector(how, grid, token);
                return new Object[] {vectors ? dense(vector) : vector};
              }
              HostTensor stored = Torch.tensor(grid);
              return new Object[] {
                RowFactory.create(
                    photo.height(),
                    photo.width(),
                    backbone.grid().channels(),
                    backbone.grid().height(),
                    backbone.grid().width(),
                    stored.type() == ElementType.F16 ? "float16" : "float32",
                    stored.bytes())
              };
            });
  }

  private static Vector dense(float[] vector) {
    double[] values = new double[vector.length];
    Arrays.setAll(values, i -> vector[i]);
    return Vectors.dense(values);
  }

  @Override
  public ImageEmbedding copy(ParamMap extra) {
    return defaultCopy(extra);
  }

  /** What {@link #write} wrote. */
  public static MLReader<ImageEmbedding> read() {
    return new DefaultParamsReader<>();
  }

  /** The transformer that was saved at a path. */
  public static ImageEmbedding load(String path) {
    return read().load(path);
  }
}
