package io.squeeze.jobs.ml;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.SquareCrop;
import io.squeeze.jobs.ml.PhotoRows.OnError;
import io.squeeze.jobs.model.MappedRows;
import io.squeeze.jobs.model.RunPhotos;
import io.squeeze.jobs.model.Segmenter;
import io.squeeze.jobs.model.TrainedSegmenter;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.PhotoPreparation;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.segment.PredictedMask;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * A Spark ML transformer that adds the masks of a trained run: to photos, to grids as {@link
 * ImageEmbedding} gives them without a pool, to rows of published embeddings (the column {@code
 * embedding}), or to codes of the run's quantizer ({@code array<int>}). The masks are those of
 * {@code submit/squeeze predict}.
 *
 * <pre>{@code
 * new Segmentation().setCheckpoint("outputs/vq_squeeze/last.ckpt").transform(photos);
 * }</pre>
 *
 * <p>The column is a struct: {@code mask} (a class for each pixel, row by row, 255 outside the
 * crop), {@code mask_height}, {@code mask_width}, {@code shares} (of each class), {@code
 * confidence} and {@code outside_share}.
 */
public final class Segmentation extends PhotoStage<Segmentation> {
  private static final long serialVersionUID = 1L;
  private static final String ORIGINAL = "original";
  private static final String CROP = "crop";

  private static final StructType OUTPUT =
      new StructType()
          .add(Columns.MASK, DataTypes.BinaryType)
          .add(Columns.MASK_HEIGHT, DataTypes.IntegerType)
          .add(Columns.MASK_WIDTH, DataTypes.IntegerType)
          .add("shares", DataTypes.createArrayType(DataTypes.DoubleType, false))
          .add(Columns.CONFIDENCE, DataTypes.DoubleType)
          .add(Columns.OUTSIDE, DataTypes.DoubleType);

  private final Param<String> checkpoint;
  private final Param<String> size;

  public Segmentation() {
    this(Identifiable$.MODULE$.randomUID("segmentation"));
  }

  /** For Spark's reader. */
  public Segmentation(String uid) {
    super(uid, "segmentation");
    checkpoint = new Param<>(this, "checkpoint", "checkpoint of a run with a segmentation head");
    size = new Param<>(this, "size", "crop, or original: the size of the photo");
    setDefault(size, CROP);
  }

  public Param<String> checkpoint() {
    return checkpoint;
  }

  public Param<String> size() {
    return size;
  }

  /** Checkpoint of a run with a segmentation head, on any path that Hadoop reads. */
  public Segmentation setCheckpoint(String value) {
    return with(checkpoint, value);
  }

  /** Size of a mask: crop (default), or original, that of its photo, for photos and grids. */
  public Segmentation setSize(String value) {
    return with(size, value);
  }

  private boolean original() {
    String asked = value(size);
    if (!List.of(CROP, ORIGINAL).contains(asked)) {
      throw SqueezeException.configuration("size is %s, not crop or original".formatted(asked));
    }
    return asked.equals(ORIGINAL);
  }

  @Override
  public StructType transformSchema(StructType schema) {
    input(schema);
    return with(schema, OUTPUT);
  }

  /** What a cell of the input holds. */
  private enum Input {
    PHOTO,
    GRID,
    /** The grid of a row of published embeddings, which has other columns for its shape. */
    ROW,
    CODES
  }

  private Input input(StructType schema) {
    String name = value(inputCol());
    List<String> columns = List.of(schema.fieldNames());
    if (columns.contains(name)) {
      DataType type = schema.apply(name).dataType();
      if (type instanceof StructType struct
          && List.of(struct.fieldNames()).contains(Columns.EMBEDDING)) {
        return Input.GRID;
      }
      if (name.equals(Columns.EMBEDDING)
          && columns.containsAll(List.of(Columns.HEIGHT, Columns.WIDTH, Columns.DTYPE))) {
        return Input.ROW;
      }
      if (type instanceof ArrayType array && array.elementType().equals(DataTypes.IntegerType)) {
        if (original()) {
          throw SqueezeException.configuration(
              "Codes do not say how large their photo is: leave size as crop");
        }
        return Input.CODES;
      }
    }
    PhotoColumn.of(schema, name);
    return Input.PHOTO;
  }

  @Override
  public Dataset<Row> transform(Dataset<?> dataset) {
    if (!isSet(checkpoint)) {
      throw SqueezeException.configuration("There is no checkpoint: set one (setCheckpoint)");
    }
    HadoopStorage storage = Sessions.storage(dataset.sparkSession());
    try {
      String path = value(checkpoint);
      TrainedSegmenter segmenter = TrainedSegmenter.open(storage, "", path, original());
      boolean photos = input(dataset.schema()) == Input.PHOTO;
      Config run =
          isSet(model()) || !(photos || original())
              ? ConfigFactory.empty()
              : RunPhotos.settings(storage, path);
      return transformed(dataset, segmenter, settings(run));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Dataset<Row> transformed(
      Dataset<?> dataset, TrainedSegmenter segmenter, Settings settings) {
    Broadcast<Checkpoint> sent =
        JavaSparkContext.fromSparkContext(dataset.sparkSession().sparkContext())
            .broadcast(segmenter.checkpoint());
    SquareCrop crop = original() ? PhotoPreparation.of(settings.image()).square() : null;
    Input input = input(dataset.schema());
    if (input != Input.PHOTO && bad() != OnError.FAIL) {
      throw SqueezeException.configuration(
          "onError is for photos: leave it as fail for grids and codes");
    }
    if (input == Input.PHOTO) {
      return photos(
          dataset,
          settings,
          segmenter::check,
          backbone -> {
            Segmenter open = Segmenter.inTask(sent.value(), crop);
            return (grid, token, photo) -> {
              var features = grid.toType(ai.djl.ndarray.types.DataType.FLOAT32, false);
              return new Object[] {cell(open.ofFeatures(features, photo.height(), photo.width()))};
            };
          });
    }
    int index = dataset.schema().fieldIndex(value(inputCol()));
    List<String> fields =
        switch (input) {
          case GRID ->
              List.of(((StructType) dataset.schema().fields()[index].dataType()).fieldNames());
          case ROW -> List.of(dataset.columns());
          default -> List.of();
        };
    boolean struct = input == Input.GRID;
    MapPartitionsFunction<Row, Row> map =
        rows ->
            new MappedRows(
                rows,
                () -> {
                  Segmenter open = Segmenter.inTask(sent.value(), crop);
                  return row -> MappedRows.with(row, masked(open, row, index, fields, struct));
                });
    return dataset
        .toDF()
        .mapPartitions(map, ExpressionEncoder.apply(transformSchema(dataset.schema())));
  }

  /**
   * The cell of a row; null where the input is.
   *
   * @param fields of a grid, in order; empty for codes
   * @param struct whether the grid is a struct; else it is the row
   */
  private static Row masked(
      Segmenter segmenter, Row row, int index, List<String> fields, boolean struct) {
    if (row.isNullAt(index)) {
      return null;
    }
    if (fields.isEmpty()) {
      return cell(segmenter.ofCodes(MappedRows.codes(row, index), 0, 0));
    }
    Row grid = struct ? row.getStruct(index) : row;
    return cell(
        segmenter.ofFeatures(
            grid.<byte[]>getAs(fields.indexOf(Columns.EMBEDDING)),
            grid.getInt(fields.indexOf(Columns.HEIGHT)),
            grid.getInt(fields.indexOf(Columns.WIDTH))));
  }

  private static Row cell(PredictedMask mask) {
    return RowFactory.create(
        mask.labels(),
        mask.height(),
        mask.width(),
        mask.shares(),
        mask.confidence(),
        mask.outside());
  }

  @Override
  public Segmentation copy(ParamMap extra) {
    return defaultCopy(extra);
  }

  /** What {@link #write} wrote. */
  public static MLReader<Segmentation> read() {
    return new DefaultParamsReader<>();
  }

  /** The transformer that was saved at a path. */
  public static Segmentation load(String path) {
    return read().load(path);
  }
}
