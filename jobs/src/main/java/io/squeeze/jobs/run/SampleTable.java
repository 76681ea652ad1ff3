package io.squeeze.jobs.run;

import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.metric.ConfusionMatrix;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.Function;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** The columns of the table that shows for every sample what it kept (IoU) and cost (bytes). */
public final class SampleTable {
  /** The table's name in the folder of an evaluation. */
  public static final String NAME = "per_sample.parquet";

  public static final String IOU = "iou";
  public static final String BASELINE_IOU = "baseline_iou";
  public static final String DIFFERENCE = "iou_difference";
  public static final String SUBJECT = "subject_share";
  public static final String CONFUSION = "confusion";
  public static final String BASELINE_CONFUSION = "baseline_confusion";
  public static final String CODES = "codes";
  public static final String ENTROPY = "entropy_bytes";
  public static final String ERROR = "mse";
  public static final String PROJECTION_ERROR = "mse_projection";
  public static final String COSINE = "cosine_similarity";

  private SampleTable() {}

  /**
   * What a sample came to.
   *
   * @param listed what describes it: values of the first columns
   * @param codes null without quantization, as are the next two
   * @param error mean squared error of the vectors
   * @param cosine mean cosine similarity of the vectors
   * @param baseline null without a baseline
   */
  public record Score(
      List<Object> listed,
      ConfusionMatrix matrix,
      int subject,
      int floatBytes,
      long codeBits,
      int packedBytes,
      int[] codes,
      Double error,
      Double cosine,
      ConfusionMatrix baseline) {

    private Double difference() {
      return baseline == null ? null : known(matrix.meanIou() - baseline.meanIou());
    }
  }

  /** A column and how its value follows from a score. */
  private record SampleColumn(String name, DataType type, Function<Score, Object> value) {}

  private static List<SampleColumn> columns(List<String> classes, List<Column> described) {
    List<SampleColumn> columns = new ArrayList<>();
    for (String name : List.of(Columns.SAMPLE_ID, Columns.SPLIT, Columns.IMAGE_PATH)) {
      listed(columns, name, DataTypes.StringType);
    }
    listed(columns, SplitAssigner.POSITION, DataTypes.LongType);
    Columns.described(described)
        .forEach(column -> listed(columns, column.name(), column.field().dataType()));
    DataType real = DataTypes.DoubleType;
    add(columns, IOU, real, score -> known(score.matrix().meanIou()));
    for (int k = 0; k < classes.size(); k++) {
      int label = k;
      add(columns, "iou_" + classes.get(k), real, score -> iou(score.matrix(), label));
    }
    add(columns, "pixel_accuracy", real, score -> known(score.matrix().pixelAccuracy()));
    add(columns, SUBJECT, real, score -> known(score.matrix().share(score.subject())));
    add(columns, "float_bytes", DataTypes.IntegerType, Score::floatBytes);
    add(columns, "code_bits", DataTypes.LongType, Score::codeBits);
    add(columns, "packed_bytes", DataTypes.IntegerType, Score::packedBytes);
    // Known once the codes of all samples are counted.
    add(columns, ENTROPY, real, score -> null);
    DataType counts = new ArrayType(DataTypes.LongType, false);
    add(columns, CONFUSION, counts, score -> score.matrix().counts());
    add(columns, CODES, new ArrayType(DataTypes.IntegerType, false), Score::codes);
    add(columns, ERROR, real, Score::error);
    add(columns, COSINE, real, Score::cosine);
    compared(columns, BASELINE_IOU, real, baseline -> known(baseline.meanIou()));
    add(columns, DIFFERENCE, real, Score::difference);
    compared(columns, "baseline_pixel_accuracy", real, baseline -> known(baseline.pixelAccuracy()));
    compared(columns, BASELINE_CONFUSION, counts, ConfusionMatrix::counts);
    return columns;
  }

  private static void add(
      List<SampleColumn> columns, String name, DataType type, Function<Score, Object> value) {
    columns.add(new SampleColumn(name, type, value));
  }

  private static void listed(List<SampleColumn> columns, String name, DataType type) {
    int place = columns.size();
    add(columns, name, type, score -> score.listed().get(place));
  }

  private static void compared(
      List<SampleColumn> columns,
      String name,
      DataType type,
      Function<ConfusionMatrix, Object> value) {
    add(
        columns,
        name,
        type,
        score -> score.baseline() == null ? null : value.apply(score.baseline()));
  }

  private static Double known(double value) {
    return Double.isNaN(value) ? null : value;
  }

  private static Double iou(ConfusionMatrix matrix, int label) {
    OptionalDouble iou = matrix.iou(label);
    return iou.isPresent() ? iou.getAsDouble() : null;
  }

  /** The columns of the table, for classes and the data set's own columns. */
  public static StructType schema(List<String> classes, List<Column> described) {
    return new StructType(
        columns(classes, described).stream()
            .map(column -> DataTypes.createStructField(column.name(), column.type(), true))
            .toArray(StructField[]::new));
  }

  /** Makes rows of scores, in the order of {@link #schema}. */
  public static Function<Score, List<Object>> rows(List<String> classes, List<Column> described) {
    List<SampleColumn> columns = columns(classes, described);
    return score -> {
      List<Object> row = new ArrayList<>();
      columns.forEach(column -> row.add(column.value().apply(score)));
      return row;
    };
  }

  /** The class whose size tells samples apart: the first that is not the background. */
  public static int subject(List<String> classes) {
    return classes.get(0).equals("background") && classes.size() > 1 ? 1 : 0;
  }
}
