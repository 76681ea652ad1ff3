package io.squeeze.jobs.run;

import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.SplitAssigner;
import java.util.ArrayList;
import java.util.List;
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
  public static final String COSINE = "cosine_similarity";

  private SampleTable() {}

  /** The columns of the table, for classes and the data set's own columns. */
  public static StructType schema(List<String> classes, List<Column> described) {
    List<StructField> fields = new ArrayList<>();
    for (String name : List.of(Columns.SAMPLE_ID, Columns.SPLIT, Columns.IMAGE_PATH)) {
      fields.add(Columns.text(name));
    }
    fields.add(field(SplitAssigner.POSITION, DataTypes.LongType));
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
}
