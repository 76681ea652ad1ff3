package io.squeeze.jobs.ml;

import com.typesafe.config.Config;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.ml.PhotoRows.OnError;
import io.squeeze.jobs.model.Backbones;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.spark.Sessions;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.BiConsumer;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.param.DoubleArrayParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * A Spark ML transformer that reads photos through a backbone: a Model, so that a training can give
 * one. Its parameters are named like the settings of {@code extract}, and mean the same; one that
 * is not set has the setting's default, or what FILE.json beside a TorchScript FILE says.
 *
 * @param <T> the stage itself, which setters return
 */
abstract class PhotoStage<T extends PhotoStage<T>> extends Model<T>
    implements DefaultParamsWritable {
  private static final long serialVersionUID = 1L;

  private final String uid;
  private final SettingParams settings = new SettingParams();
  private final Param<String> inputCol;
  private final Param<String> outputCol;
  private final Param<String> onError;
  private final Param<String> errorCol;
  private final Param<String> model;
  private final Param<String> weights;
  private final Param<String> precision;
  private final Param<String> layout;
  private final IntParam prefixTokens;
  private final IntParam batchSize;
  private final IntParam decodeThreads;
  private final IntParam imageSize;
  private final IntParam imageResize;
  private final Param<String> imageCrop;
  private final IntParam windows;
  private final IntParam stride;
  private final DoubleArrayParam imageMean;
  private final DoubleArrayParam imageStd;
  private final Param<String> decode;
  private final Param<String> exifOrientation;
  private transient String shippedFor;
  private transient Backbones.Shipped shipped;

  PhotoStage(String uid, String output) {
    this.uid = uid;
    inputCol = new Param<>(this, "inputCol", "column of photos");
    outputCol = new Param<>(this, "outputCol", "column to add");
    onError = new Param<>(this, "onError", "what a bad photo does: fail, null, or column");
    errorCol =
        new Param<>(this, "errorCol", "column that says why a photo is bad; onError = column");
    model = text("model", "vit, deeplab, a TorchScript file, or an Architecture's class", "model");
    weights = text("weights", "official weights of vit or deeplab", "weights");
    precision = text("precision", "fp32, bf16 or fp16", "backbone.precision");
    layout = text("layout", "what a TorchScript file gives", "backbone.layout");
    prefixTokens = number("prefixTokens", "tokens before the grid's", "backbone.prefix-tokens");
    batchSize = number("batchSize", "photos of a forward pass", "extract.batch-size");
    decodeThreads =
        number("decodeThreads", "threads of a task that decode ahead", "extract.decode-threads");
    imageSize = number("imageSize", "side of the backbone's square, in pixels", "image.size");
    imageResize = number("imageResize", "shorter side before the crop", "image.resize");
    imageCrop = text("imageCrop", "center or squash", "image.crop");
    windows = number("windows", "side of windows that slide over the square", "image.windows");
    stride = number("stride", "from one window to the next, in pixels", "image.stride");
    imageMean = numbers("imageMean", "means of the channels, in 0..1", "image.mean");
    imageStd = numbers("imageStd", "standard deviations of the channels", "image.std");
    decode = text("decode", "full or scaled", "image.decode");
    exifOrientation = text("exifOrientation", "ignore or apply", "image.exif-orientation");
    setDefault(inputCol, "content");
    setDefault(outputCol, output);
    setDefault(onError, "fail");
    setDefault(errorCol, output + "_error");
  }

  /** A parameter that is a setting. */
  final Param<String> text(String name, String doc, String setting) {
    return settings.of(new Param<>(this, name, doc), setting);
  }

  private IntParam number(String name, String doc, String setting) {
    return settings.of(new IntParam(this, name, doc), setting);
  }

  private DoubleArrayParam numbers(String name, String doc, String setting) {
    return settings.of(new DoubleArrayParam(this, name, doc), setting);
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

  public Param<String> onError() {
    return onError;
  }

  public Param<String> errorCol() {
    return errorCol;
  }

  public Param<String> model() {
    return model;
  }

  public Param<String> weights() {
    return weights;
  }

  public Param<String> precision() {
    return precision;
  }

  public Param<String> layout() {
    return layout;
  }

  public IntParam prefixTokens() {
    return prefixTokens;
  }

  public IntParam batchSize() {
    return batchSize;
  }

  public IntParam decodeThreads() {
    return decodeThreads;
  }

  public IntParam imageSize() {
    return imageSize;
  }

  public IntParam imageResize() {
    return imageResize;
  }

  public Param<String> imageCrop() {
    return imageCrop;
  }

  public IntParam windows() {
    return windows;
  }

  public IntParam stride() {
    return stride;
  }

  public DoubleArrayParam imageMean() {
    return imageMean;
  }

  public DoubleArrayParam imageStd() {
    return imageStd;
  }

  public Param<String> decode() {
    return decode;
  }

  public Param<String> exifOrientation() {
    return exifOrientation;
  }

  /**
   * Column of photos: the bytes of their files, their paths on any file system of Hadoop, a struct
   * of {@code bytes} and {@code path}, or Spark's image struct; default content.
   */
  public T setInputCol(String value) {
    return with(inputCol, value);
  }

  /** Column to add. */
  public T setOutputCol(String value) {
    return with(outputCol, value);
  }

  /** What a photo does that cannot be used: fail (default), null, or column. */
  public T setOnError(String value) {
    return with(onError, value);
  }

  /** Column that says why a photo cannot be used, where onError is column. */
  public T setErrorCol(String value) {
    return with(errorCol, value);
  }

  /** vit, deeplab, a TorchScript file on any path that Hadoop reads, or an Architecture's class. */
  public T setModel(String value) {
    return with(model, value);
  }

  /** Official weights of vit or deeplab; without them they are random. */
  public T setWeights(String value) {
    return with(weights, value);
  }

  /** fp32, bf16 or fp16: what vit and deeplab compute in. */
  public T setPrecision(String value) {
    return with(precision, value);
  }

  /** What a TorchScript file gives: nchw, nhwc or tokens. */
  public T setLayout(String value) {
    return with(layout, value);
  }

  /** Tokens before those of the grid, such as a class token. */
  public T setPrefixTokens(int value) {
    return with(prefixTokens, value);
  }

  /** Photos of a forward pass; unset: 8 on a CPU, 64 on a GPU. */
  public T setBatchSize(int value) {
    return with(batchSize, value);
  }

  /** Threads of a task that decode ahead; unset: 0 on a CPU, 4 on a GPU. */
  public T setDecodeThreads(int value) {
    return with(decodeThreads, value);
  }

  /** Side of the square that the backbone sees, in pixels. */
  public T setImageSize(int value) {
    return with(imageSize, value);
  }

  /** Shorter side of a photo before the crop, in pixels. */
  public T setImageResize(int value) {
    return with(imageResize, value);
  }

  /** How a photo becomes a square: center or squash. */
  public T setImageCrop(String value) {
    return with(imageCrop, value);
  }

  /** Side of the windows that slide over the square, in pixels; unset: it is seen as a whole. */
  public T setWindows(int value) {
    return with(windows, value);
  }

  /** From one window to the next, in pixels; unset: two thirds of a window. */
  public T setStride(int value) {
    return with(stride, value);
  }

  /** Means of the channels, in 0..1. */
  public T setImageMean(double[] value) {
    return with(imageMean, value);
  }

  /** Standard deviations of the channels, in 0..1. */
  public T setImageStd(double[] value) {
    return with(imageStd, value);
  }

  /** Whether large JPEGs are decoded smaller: full or scaled. */
  public T setDecode(String value) {
    return with(decode, value);
  }

  /** Whether photos are turned as their EXIF block says: ignore or apply. */
  public T setExifOrientation(String value) {
    return with(exifOrientation, value);
  }

  @SuppressWarnings("unchecked")
  final <V> T with(Param<V> param, V value) {
    set(param, value);
    return (T) this;
  }

  final String value(Param<String> param) {
    return getOrDefault(param);
  }

  /** The settings that were set as parameters, over others. */
  final Settings settings(Config under) {
    return settings.over(under, this);
  }

  /** What a bad photo does. */
  final OnError bad() {
    String asked = value(onError).toUpperCase(Locale.ROOT);
    if (Arrays.stream(OnError.values()).noneMatch(known -> known.name().equals(asked))) {
      throw SqueezeException.configuration(
          "onError is %s, not one of fail, null, column".formatted(value(onError)));
    }
    return OnError.valueOf(asked);
  }

  /** The schema with the column of the output, and that of errors where it is asked for. */
  final StructType with(StructType schema, DataType output) {
    StructType all = added(schema, value(outputCol), output);
    return bad() == OnError.COLUMN ? added(all, value(errorCol), DataTypes.StringType) : all;
  }

  private static StructType added(StructType schema, String name, DataType type) {
    VectorColumn.checkFree(schema, name);
    return schema.add(name, type, true);
  }

  /**
   * The rows with one more column, made of their photos.
   *
   * @param check is told the backbone's name and digest, and may refuse it
   */
  final Dataset<Row> photos(
      Dataset<?> dataset,
      Settings given,
      BiConsumer<String, String> check,
      PhotoRows.Opening opening) {
    SparkSession spark = dataset.sparkSession();
    Backbones backbones = new Backbones(Sessions.storage(spark), given, Reporter.standard());
    Backbones.Shipped sent = shipped(spark, backbones);
    check.accept("the model " + sent.file().name(), sent.sha256());
    PhotoRows.Work work =
        new PhotoRows.Work(
            PhotoColumn.of(dataset.schema(), value(inputCol)),
            List.of(dataset.columns()),
            backbones.settings(),
            sent,
            backbones.embeddingType(),
            Sessions.storage(spark),
            bad(),
            1,
            opening);
    MapPartitionsFunction<Row, Row> read = rows -> new PhotoRows(work, rows);
    return dataset
        .toDF()
        .mapPartitions(read, ExpressionEncoder.apply(transformSchema(dataset.schema())));
  }

  /** Packed and sent once for the same settings. */
  private synchronized Backbones.Shipped shipped(SparkSession spark, Backbones backbones) {
    String asked = spark.sparkContext().applicationId() + backbones.settings().json();
    if (!asked.equals(shippedFor)) {
      shipped = backbones.ship(spark);
      shippedFor = asked;
    }
    return shipped;
  }

  @Override
  public MLWriter write() {
    return DefaultParamsWritable.super.write();
  }
}
