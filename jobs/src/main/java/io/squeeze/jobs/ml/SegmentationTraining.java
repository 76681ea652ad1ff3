package io.squeeze.jobs.ml;

import io.squeeze.config.Hocon;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.train.TrainJob;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.spark.ml.Estimator;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.types.StructType;

/**
 * A Spark ML estimator that trains quantizer and head on rows of embeddings with masks, whatever
 * Spark made of them: filtered, joined, with other masks. It is the training of {@code
 * submit/squeeze train}, and gives the same bytes for the same rows and settings.
 *
 * <pre>{@code
 * Dataset<Row> cats = spark.read().parquet("embeddings/pets/v1").where("species = 'cat'");
 * Segmentation model =
 *     new SegmentationTraining().setEmbeddings("embeddings/pets").setExperimentName("cats").fit(cats);
 * }</pre>
 *
 * <p>The rows are written to a data set of embeddings beside the folder of the run ({@code
 * outputs/cats_embeddings}), so the commands can continue, evaluate and draw it.
 */
public final class SegmentationTraining extends Estimator<Segmentation>
    implements DefaultParamsWritable {
  private static final long serialVersionUID = 1L;

  private final String uid;
  private final SettingParams known = new SettingParams();
  private final Param<String> embeddings;
  private final Param<String> outputDir;
  private final Param<String> experimentName;
  private final Param<String> quantizerType;
  private final IntParam codebookSize;
  private final IntParam numQuantizers;
  private final Param<String> head;
  private final Param<String> lossType;
  private final IntParam epochs;
  private final IntParam batchSize;
  private final DoubleParam lr;
  private final LongParam seed;
  private final Param<String> settings;

  public SegmentationTraining() {
    this(Identifiable$.MODULE$.randomUID("segmentationTraining"));
  }

  /** For Spark's reader. */
  public SegmentationTraining(String uid) {
    this.uid = uid;
    embeddings =
        new Param<>(this, "embeddings", "data set that the rows are like: classes, backbone, crop");
    outputDir = known.of(new Param<>(this, "outputDir", "folder of all runs"), "output.dir");
    experimentName =
        known.of(
            new Param<>(this, "experimentName", "folder of this run below it"),
            "output.experiment-name");
    quantizerType =
        known.of(
            new Param<>(this, "quantizerType", "vq, fsq, lfq, rvq, pq, none, or a class"),
            "quantizer.type");
    codebookSize =
        known.of(new IntParam(this, "codebookSize", "codes of a level"), "quantizer.codebook-size");
    numQuantizers =
        known.of(
            new IntParam(this, "numQuantizers", "levels of rvq, sub-vectors of pq"),
            "quantizer.num-quantizers");
    head = known.of(new Param<>(this, "head", "auto, conv, deeplab or linear"), "train.head");
    lossType =
        known.of(
            new Param<>(this, "lossType", "ce, dice, focal, combined, or a class"), "train.loss");
    epochs = known.of(new IntParam(this, "epochs", "passes over the rows"), "train.epochs");
    batchSize = known.of(new IntParam(this, "batchSize", "rows of a step"), "train.batch-size");
    lr = known.of(new DoubleParam(this, "lr", "highest learning rate"), "train.lr");
    seed = known.of(new LongParam(this, "seed", "seed of every random draw"), "seed");
    settings = new Param<>(this, "settings", "more settings of the commands, in HOCON");
    setDefault(settings, "");
  }

  @Override
  public String uid() {
    return uid;
  }

  public Param<String> embeddings() {
    return embeddings;
  }

  public Param<String> outputDir() {
    return outputDir;
  }

  public Param<String> experimentName() {
    return experimentName;
  }

  public Param<String> quantizerType() {
    return quantizerType;
  }

  public IntParam codebookSize() {
    return codebookSize;
  }

  public IntParam numQuantizers() {
    return numQuantizers;
  }

  public Param<String> head() {
    return head;
  }

  public Param<String> lossType() {
    return lossType;
  }

  public IntParam epochs() {
    return epochs;
  }

  public IntParam batchSize() {
    return batchSize;
  }

  public DoubleParam lr() {
    return lr;
  }

  public LongParam seed() {
    return seed;
  }

  public Param<String> settings() {
    return settings;
  }

  /** Data set of embeddings that the rows are like: it says classes, backbone and crop. */
  public SegmentationTraining setEmbeddings(String value) {
    set(embeddings, value);
    return this;
  }

  /** Folder of all runs; unset: ./outputs. */
  public SegmentationTraining setOutputDir(String value) {
    set(outputDir, value);
    return this;
  }

  /** Folder of this run below it; unset: vq_squeeze. */
  public SegmentationTraining setExperimentName(String value) {
    set(experimentName, value);
    return this;
  }

  /** vq, fsq, lfq, rvq, pq, none, or the class of a QuantizerType; unset: vq. */
  public SegmentationTraining setQuantizerType(String value) {
    set(quantizerType, value);
    return this;
  }

  /** Codes of a level; unset: the type's own. */
  public SegmentationTraining setCodebookSize(int value) {
    set(codebookSize, value);
    return this;
  }

  /** Levels of rvq, sub-vectors of pq; unset: 4. */
  public SegmentationTraining setNumQuantizers(int value) {
    set(numQuantizers, value);
    return this;
  }

  /** conv, deeplab, linear; unset: deeplab on embeddings of deeplab, conv else. */
  public SegmentationTraining setHead(String value) {
    set(head, value);
    return this;
  }

  /** ce, dice, focal, combined, or the class of a LossType; unset: ce. */
  public SegmentationTraining setLossType(String value) {
    set(lossType, value);
    return this;
  }

  /** Passes over the rows; unset: 10. */
  public SegmentationTraining setEpochs(int value) {
    set(epochs, value);
    return this;
  }

  /** Rows of a step; unset: 4. */
  public SegmentationTraining setBatchSize(int value) {
    set(batchSize, value);
    return this;
  }

  /** Highest learning rate; unset: 1e-4. */
  public SegmentationTraining setLr(double value) {
    set(lr, value);
    return this;
  }

  /** Seed of every draw; unset: 42. */
  public SegmentationTraining setSeed(long value) {
    set(seed, value);
    return this;
  }

  /** Any other settings of the commands, in HOCON: {@code "train.schedule = cosine"}. */
  public SegmentationTraining setSettings(String value) {
    set(settings, value);
    return this;
  }

  private Settings asked() {
    return known.over(Hocon.text(getOrDefault(settings)), this);
  }

  @Override
  public Segmentation fit(Dataset<?> dataset) {
    if (!isSet(embeddings)) {
      throw SqueezeException.configuration(
          "There are no embeddings that the rows are like: name a data set (setEmbeddings)");
    }
    SqueezeSession session = SqueezeSession.of(dataset.sparkSession(), Reporter.standard());
    Settings asked = asked();
    String run = asked.output().dir() + "/" + asked.output().experimentName();
    try {
      Published like = Versions.embeddings(session.storage(), getOrDefault(embeddings));
      Published rows =
          SelectedEmbeddings.publish(session, dataset.toDF(), like, run + "_embeddings");
      String path = rows.path().substring(0, rows.path().lastIndexOf('/'));
      String last = TrainJob.run(session, asked.with("embeddings", path));
      Segmentation model =
          new Segmentation()
              .setCheckpoint(session.storage().qualified(last))
              .setInputCol(Columns.EMBEDDING);
      model.setParent(this);
      return model;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public StructType transformSchema(StructType schema) {
    return new Segmentation().setInputCol(Columns.EMBEDDING).transformSchema(schema);
  }

  @Override
  public SegmentationTraining copy(ParamMap extra) {
    return defaultCopy(extra);
  }

  @Override
  public MLWriter write() {
    return DefaultParamsWritable.super.write();
  }

  /** What {@link #write} wrote. */
  public static MLReader<SegmentationTraining> read() {
    return new DefaultParamsReader<>();
  }

  /** The estimator that was saved at a path. */
  public static SegmentationTraining load(String path) {
    return read().load(path);
  }
}
