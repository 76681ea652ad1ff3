package io.squeeze.jobs.evaluate;

import io.squeeze.codec.BitPacking;
import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.jobs.evaluate.Predictor.Kept;
import io.squeeze.jobs.evaluate.Predictor.Prediction;
import io.squeeze.jobs.evaluate.Trained.Models;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.Cuts;
import io.squeeze.jobs.spark.Manifest;
import io.squeeze.jobs.spark.MappedRows;
import io.squeeze.jobs.spark.Stages;
import io.squeeze.metric.ConfusionMatrix;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Example;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** The table that shows for every sample what it kept (IoU) and what it cost (bytes). */
public final class PerSample {
  /** The table's name in the folder of an evaluation. */
  public static final String NAME = "per_sample.parquet";

  public static final String IOU = "iou";
  public static final String BASELINE_IOU = "baseline_iou";
  public static final String DIFFERENCE = "iou_difference";
  static final String SUBJECT = "subject_share";
  static final String CONFUSION = "confusion";
  static final String BASELINE_CONFUSION = "baseline_confusion";
  public static final String CODES = "codes";
  static final String ENTROPY = "entropy_bytes";
  static final String ERROR = "mse";
  static final String COSINE = "cosine_similarity";

  /** Vectors that {@link Recall} is measured with, until it is. */
  static final String DRAWN = "drawn";

  private static final StructType PAIR =
      new StructType()
          .add("id", "string")
          .add("vector", DataTypes.createArrayType(DataTypes.FloatType, false))
          .add("located", DataTypes.createArrayType(DataTypes.FloatType, false))
          .add("decoded", DataTypes.createArrayType(DataTypes.FloatType, false));

  private final SparkSession spark;
  private final Trained trained;

  public PerSample(SparkSession spark, Trained trained) {
    this.spark = spark;
    this.trained = trained;
  }

  /** Vectors of the split that a split is of. */
  static long vectors(Manifest manifest, String split) {
    return manifest.rows().getOrDefault(Cuts.source(manifest, split), 0L) * manifest.positions();
  }

  /**
   * The rows of a split: train, val or one of the data set's own; with the vectors that a recall is
   * measured with.
   */
  Dataset<Row> rows(String split) {
    Manifest manifest = trained.embeddings().manifest();
    long vectors = vectors(manifest, split);
    Checkpoint checkpoint = trained.checkpoint();
    List<String> described = manifest.columns().stream().map(Column::name).toList();
    List<String> read =
        new ArrayList<>(
            List.of(Columns.SAMPLE_ID, Columns.SPLIT, Columns.IMAGE_PATH, Cuts.POSITION));
    read.addAll(described);
    int first = read.size();
    read.addAll(List.of(Columns.EMBEDDING, Columns.MASK));
    Broadcast<Models> models = trained.broadcast(spark);
    JavaRDD<Row> rows =
        new Cuts(spark, trained.embeddings(), checkpoint.settings().data())
            .rows(split)
            .select(
                read.stream()
                    .map(org.apache.spark.sql.functions::col)
                    .toArray(org.apache.spark.sql.Column[]::new))
            .toJavaRDD()
            .mapPartitions(
                samples ->
                    new MappedRows(samples, () -> new Scores(models.value(), first, vectors)));
    return spark.createDataFrame(
        Stages.computing(rows),
        schema(checkpoint.classNames(), manifest.columns())
            .add(DRAWN, DataTypes.createArrayType(PAIR, false)));
  }

  /** The columns of the table, for classes and the data set's own columns. */
  public static StructType schema(List<String> classes, List<Column> described) {
    List<StructField> fields = new ArrayList<>();
    for (String name : List.of(Columns.SAMPLE_ID, Columns.SPLIT, Columns.IMAGE_PATH)) {
      fields.add(Columns.text(name));
    }
    fields.add(field(Cuts.POSITION, DataTypes.LongType));
    fields.addAll(Columns.described(described));
    fields.add(field(IOU, DataTypes.DoubleType));
    for (String name : classes) {
      fields.add(field("iou_" + name, DataTypes.DoubleType));
    }
    fields.add(field("pixel_accuracy", DataTypes.DoubleType));
    fields.add(field(SUBJECT, DataTypes.DoubleType));
    fields.add(field("float_bytes", DataTypes.IntegerType));
    fields.add(field("code_bits", DataTypes.LongType));
    fields.add(field("packed_bytes", DataTypes.IntegerType));
    fields.add(field(ENTROPY, DataTypes.DoubleType));
    fields.add(field(CONFUSION, new ArrayType(DataTypes.LongType, false)));
    fields.add(field(CODES, new ArrayType(DataTypes.IntegerType, false)));
    fields.add(field(ERROR, DataTypes.DoubleType));
    fields.add(field(COSINE, DataTypes.DoubleType));
    fields.add(field(BASELINE_IOU, DataTypes.DoubleType));
    fields.add(field(DIFFERENCE, DataTypes.DoubleType));
    fields.add(field("baseline_pixel_accuracy", DataTypes.DoubleType));
    fields.add(field(BASELINE_CONFUSION, new ArrayType(DataTypes.LongType, false)));
    return new StructType(fields.toArray(StructField[]::new));
  }

  /** The class whose size tells samples apart: the first that is not the background. */
  public static int subject(List<String> classes) {
    return classes.get(0).equals("background") && classes.size() > 1 ? 1 : 0;
  }

  private static StructField field(String name, DataType type) {
    return DataTypes.createStructField(name, type, true);
  }

  /** Scores one row after the other. */
  private static final class Scores implements MappedRows.Mapping {
    private final Models models;
    private final int described;
    private final long vectors;
    private final Predictor predictor;
    private final Predictor baseline;

    Scores(Models models, int described, long vectors) {
      this.models = models;
      this.described = described;
      this.vectors = vectors;
      this.predictor = new Predictor(models.checkpoint());
      this.baseline = models.baseline() == null ? null : new Predictor(models.baseline());
    }

    @Override
    public void close() {
      predictor.close();
      if (baseline != null) {
        baseline.close();
      }
    }

    @Override
    public Row map(Row row) {
      byte[] mask = row.getAs(Columns.MASK);
      Example example = new Example(row.getString(0), row.getAs(Columns.EMBEDDING), mask);
      int[] places = places(example.id());
      Prediction prediction = predictor.predict(example, places);
      int classes = models.checkpoint().classNames().size();
      ConfusionMatrix matrix = ConfusionMatrix.of(classes, mask, prediction.mask());
      List<Object> values = new ArrayList<>();
      for (int i = 0; i < described; i++) {
        values.add(row.get(i));
      }
      values.add(known(matrix.meanIou()));
      for (int k = 0; k < classes; k++) {
        OptionalDouble iou = matrix.iou(k);
        values.add(iou.isPresent() ? iou.getAsDouble() : null);
      }
      values.add(known(matrix.pixelAccuracy()));
      values.add(known(matrix.share(subject(models.checkpoint().classNames()))));
      int floatBytes = models.checkpoint().layout().floatBytes();
      values.add(floatBytes);
      BitPacking packing = packing();
      values.add(packing == null ? 8L * floatBytes : packing.width(prediction.codes().length));
      values.add(packing == null ? floatBytes : packing.bytes(prediction.codes().length));
      values.add(null); // known once all are counted
      values.add(matrix.counts());
      values.add(prediction.codes());
      Kept kept = prediction.kept();
      values.add(kept == null ? null : (Object) kept.error());
      values.add(kept == null ? null : (Object) kept.cosine());
      if (baseline == null) {
        values.addAll(Collections.nCopies(4, null));
      } else {
        byte[] other = baseline.predict(example).mask();
        ConfusionMatrix compared = ConfusionMatrix.of(classes, mask, other);
        values.add(known(compared.meanIou()));
        values.add(known(matrix.meanIou() - compared.meanIou()));
        values.add(known(compared.pixelAccuracy()));
        values.add(compared.counts());
      }
      values.add(kept == null ? null : pairs(example.id(), places, kept));
      return RowFactory.create(values.toArray());
    }

    /** A vector's name: the sample's id, and its place in the grid. */
    private static String name(String id, int place) {
      return id + "/" + place;
    }

    private int[] places(String id) {
      Batch.Layout layout = models.checkpoint().layout();
      return IntStream.range(0, layout.height() * layout.width())
          .filter(
              place ->
                  Recall.searched(name(id, place), vectors)
                      || Recall.asked(name(id, place), vectors))
          .toArray();
    }

    private static Row[] pairs(String id, int[] places, Kept kept) {
      Row[] pairs = new Row[places.length];
      for (int i = 0; i < places.length; i++) {
        pairs[i] =
            RowFactory.create(
                name(id, places[i]), kept.vectors()[i], kept.located()[i], kept.decoded()[i]);
      }
      return pairs;
    }

    private static Double known(double value) {
      return Double.isNaN(value) ? null : value;
    }

    /** Null without quantization. */
    private BitPacking packing() {
      int[] levels = models.checkpoint().model().quantizer().levels();
      return levels.length == 0 ? null : new BitPacking(levels);
    }
  }
}
