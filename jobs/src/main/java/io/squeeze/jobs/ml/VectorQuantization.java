package io.squeeze.jobs.ml;

import io.squeeze.config.Settings;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.fit.VectorFit;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.model.VectorEncoding;
import io.squeeze.quantize.VectorBlock;
import org.apache.spark.api.java.JavaRDD;
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
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;

/**
 * A Spark ML estimator that squeezes vectors of any {@code array<float>}, {@code array<double>} or
 * Vector column to a few bits: principal components, then k-means (vq), residual k-means (rvq),
 * product quantization (pq) or scalars with entropy coding (scalar).
 *
 * <pre>{@code
 * VectorQuantizationModel model =
 *     new VectorQuantization().setInputCol("embedding").setQuantizerType("rvq").fit(table);
 * model.transform(table); // adds codes: array<int>
 * }</pre>
 */
public final class VectorQuantization extends Estimator<VectorQuantizationModel>
    implements DefaultParamsWritable {
  private static final long serialVersionUID = 1L;

  private final String uid;
  private final Param<String> inputCol;
  private final Param<String> outputCol;
  private final Param<String> reconstructionCol;
  private final Param<String> quantizerType;
  private final IntParam codebookSize;
  private final IntParam bottleneckDim;
  private final IntParam numQuantizers;
  private final IntParam maxIter;
  private final IntParam maxInitSamples;
  private final IntParam beam;
  private final DoubleParam bytes;
  private final LongParam seed;

  public VectorQuantization() {
    this(Identifiable$.MODULE$.randomUID("vectorQuantization"));
  }

  /** For Spark's reader. */
  public VectorQuantization(String uid) {
    this.uid = uid;
    inputCol = new Param<>(this, "inputCol", "column of vectors");
    outputCol = new Param<>(this, "outputCol", "column of codes to add");
    reconstructionCol =
        new Param<>(this, "reconstructionCol", "column of decoded vectors to add; empty: none");
    quantizerType = new Param<>(this, "quantizerType", "vq, rvq, pq, scalar, auto, or a class");
    codebookSize = new IntParam(this, "codebookSize", "codes of a level; 0: the type's own");
    bottleneckDim =
        new IntParam(
            this,
            "bottleneckDim",
            "principal components that are kept; 0: as the rate pays for, -1: no projection");
    numQuantizers = new IntParam(this, "numQuantizers", "levels of rvq, sub-vectors of pq");
    maxIter = new IntParam(this, "maxIter", "rounds of Lloyd's algorithm");
    maxInitSamples =
        new IntParam(this, "maxInitSamples", "most vectors to fit to; 0: all, -1: by codebookSize");
    beam = new IntParam(this, "beam", "beam width of rvq: codes that it keeps at a level; 0: 8");
    bytes =
        new DoubleParam(this, "bytes", "bytes of a vector's codes; 0: the other parameters decide");
    seed = new LongParam(this, "seed", "seed of every random draw");
    setDefault(inputCol, "features");
    setDefault(outputCol, "codes");
    setDefault(reconstructionCol, "");
    setDefault(quantizerType, "vq");
    setDefault(codebookSize, 0);
    setDefault(bottleneckDim, 0);
    setDefault(numQuantizers, 4);
    setDefault(maxIter, 25);
    setDefault(maxInitSamples, -1);
    setDefault(beam, 0);
    setDefault(bytes, 0.0);
    setDefault(seed, 42L);
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

  public Param<String> quantizerType() {
    return quantizerType;
  }

  public IntParam codebookSize() {
    return codebookSize;
  }

  public IntParam bottleneckDim() {
    return bottleneckDim;
  }

  public IntParam numQuantizers() {
    return numQuantizers;
  }

  public IntParam maxIter() {
    return maxIter;
  }

  public IntParam maxInitSamples() {
    return maxInitSamples;
  }

  public IntParam beam() {
    return beam;
  }

  public Param<String> reconstructionCol() {
    return reconstructionCol;
  }

  public DoubleParam bytes() {
    return bytes;
  }

  public LongParam seed() {
    return seed;
  }

  /** Column of vectors; default features. */
  public VectorQuantization setInputCol(String value) {
    set(inputCol, value);
    return this;
  }

  /** Column of codes to add; default codes. */
  public VectorQuantization setOutputCol(String value) {
    set(outputCol, value);
    return this;
  }

  /** Column of decoded vectors to add; default empty: none. */
  public VectorQuantization setReconstructionCol(String value) {
    set(reconstructionCol, value);
    return this;
  }

  /** vq, rvq, pq, scalar, auto, or the class of a QuantizerType with codebooks; default vq. */
  public VectorQuantization setQuantizerType(String value) {
    set(quantizerType, value);
    return this;
  }

  /** Codes of a level; default 0: 512 for vq, 256 for rvq and pq. */
  public VectorQuantization setCodebookSize(int value) {
    set(codebookSize, value);
    return this;
  }

  /** Principal components; default 0: as many as the rate pays for; -1: no projection. */
  public VectorQuantization setBottleneckDim(int value) {
    set(bottleneckDim, value);
    return this;
  }

  /** Levels of rvq, sub-vectors of pq; default 4. */
  public VectorQuantization setNumQuantizers(int value) {
    set(numQuantizers, value);
    return this;
  }

  /** Rounds of Lloyd's algorithm; default 25. */
  public VectorQuantization setMaxIter(int value) {
    set(maxIter, value);
    return this;
  }

  /** Most vectors to fit to; 0: all; default -1: the larger of 50,000 and 256 x codebookSize. */
  public VectorQuantization setMaxInitSamples(int value) {
    set(maxInitSamples, value);
    return this;
  }

  /** Codes that rvq keeps open at a level; default 0: 8. */
  public VectorQuantization setBeam(int value) {
    set(beam, value);
    return this;
  }

  /**
   * Bytes of a vector's codes, which decide on levels, codes and components; default 0: the other
   * parameters do. Without {@link #setQuantizerType}, or with "auto", the best of several types is
   * taken.
   */
  public VectorQuantization setBytes(double value) {
    set(bytes, value);
    return this;
  }

  /** Seed of every draw; default 42. */
  public VectorQuantization setSeed(long value) {
    set(seed, value);
    return this;
  }

  /** The settings that the parameters come to; they are checked as every setting is. */
  private Settings settings() {
    Settings settings =
        Settings.defaults()
            .with("quantizer.type", type())
            .with("quantizer.bottleneck-dim", bottleneck())
            .with("quantizer.num-quantizers", text(numQuantizers))
            .with("quantizer.codebook.kmeans-iterations", text(maxIter))
            .with("seed", text(seed));
    if ((double) getOrDefault(bytes) != 0) {
      settings = settings.with("quantizer.bytes", text(bytes));
    }
    if ((int) getOrDefault(beam) != 0) {
      settings = settings.with("quantizer.beam", text(beam));
    }
    if ((int) getOrDefault(codebookSize) != 0) {
      settings = settings.with("quantizer.codebook-size", text(codebookSize));
    }
    if ((int) getOrDefault(maxInitSamples) >= 0) {
      settings = settings.with("quantizer.codebook.max-init-samples", text(maxInitSamples));
    }
    return settings;
  }

  /** The best type where bytes are all that is asked for. */
  private String type() {
    boolean rateAlone = (double) getOrDefault(bytes) != 0 && !isSet(quantizerType);
    return rateAlone ? VectorFit.AUTO : text(quantizerType);
  }

  private String bottleneck() {
    return switch ((int) getOrDefault(bottleneckDim)) {
      case 0 -> "auto";
      case -1 -> "none";
      default -> text(bottleneckDim);
    };
  }

  private String text(Param<?> param) {
    return getOrDefault(param).toString();
  }

  @Override
  public VectorQuantizationModel fit(Dataset<?> dataset) {
    String column = getOrDefault(inputCol);
    VectorColumn.check(dataset.schema(), column);
    Settings settings = settings();
    Dataset<Row> vectors = dataset.select(column);
    long count = vectors.count();
    int channels = VectorColumn.channels(vectors, column);
    VectorFit fit = new VectorFit(settings, channels, Reporter.standard());
    VectorColumn reader = new VectorColumn(column, 0, -1, channels);
    double share = fit.share(count);
    long drawn = settings.seed();
    JavaRDD<VectorBlock> sample = reader.blocks(vectors, drawn, share);
    fit.fit(sample, taken -> new long[0]);
    VectorQuantizationModel model =
        new VectorQuantizationModel(
            Identifiable$.MODULE$.randomUID("vectorQuantizationModel"), fit.checkpoint());
    model.setParent(this);
    return model
        .setInputCol(column)
        .setOutputCol(getOrDefault(outputCol))
        .setReconstructionCol(getOrDefault(reconstructionCol));
  }

  @Override
  public StructType transformSchema(StructType schema) {
    return VectorEncoding.schema(
        schema, getOrDefault(inputCol), getOrDefault(outputCol), getOrDefault(reconstructionCol));
  }

  @Override
  public VectorQuantization copy(ParamMap extra) {
    return defaultCopy(extra);
  }

  @Override
  public MLWriter write() {
    return DefaultParamsWritable.super.write();
  }

  /** What {@link #write} wrote. */
  public static MLReader<VectorQuantization> read() {
    return new DefaultParamsReader<>();
  }

  /** The estimator that was saved at a path. */
  public static VectorQuantization load(String path) {
    return read().load(path);
  }
}
