package io.squeeze.jobs.publish;

import io.squeeze.dataset.SegmentationDataset.Column;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** The names and types of the columns of our tables. */
public final class Columns {
  public static final String SAMPLE_ID = "sample_id";
  public static final String SPLIT = "split";
  public static final String IMAGE_PATH = "image_path";
  public static final String HEIGHT = "height";
  public static final String WIDTH = "width";
  public static final String CHANNELS = "channels";
  public static final String GRID_HEIGHT = "grid_height";
  public static final String GRID_WIDTH = "grid_width";
  public static final String DTYPE = "dtype";
  public static final String EMBEDDING = "embedding";
  public static final String MASK = "mask";
  public static final String LEVELS = "levels";
  public static final String CODES = "codes";
  public static final String LEVEL = "level";
  public static final String CODE = "code";
  public static final String VECTOR = "vector";

  private Columns() {}

  /** The table of embeddings; {@code split} is a folder's name, all else stands in the files. */
  public static StructType embeddings(List<Column> described) {
    List<StructField> fields = sample();
    fields.add(DataTypes.createStructField(EMBEDDING, DataTypes.BinaryType, false));
    fields.add(DataTypes.createStructField(MASK, DataTypes.BinaryType, false));
    fields.addAll(described(described));
    fields.add(text(SPLIT));
    return new StructType(fields.toArray(StructField[]::new));
  }

  /** The table of codes: a row of embeddings without features and mask, and its codes. */
  public static StructType codes(List<Column> described) {
    List<StructField> fields = sample();
    fields.addAll(described(described));
    fields.add(DataTypes.createStructField(LEVELS, DataTypes.IntegerType, false));
    ArrayType codes = new ArrayType(DataTypes.IntegerType, false);
    fields.add(DataTypes.createStructField(CODES, codes, false));
    fields.add(text(SPLIT));
    return new StructType(fields.toArray(StructField[]::new));
  }

  private static List<StructField> sample() {
    List<StructField> fields = new ArrayList<>();
    fields.add(text(SAMPLE_ID));
    fields.add(text(IMAGE_PATH));
    for (String size : List.of(HEIGHT, WIDTH, CHANNELS, GRID_HEIGHT, GRID_WIDTH)) {
      fields.add(DataTypes.createStructField(size, DataTypes.IntegerType, false));
    }
    fields.add(text(DTYPE));
    return fields;
  }

  /** A data set's own columns. */
  public static List<StructField> described(List<Column> columns) {
    return columns.stream()
        .map(
            c ->
                DataTypes.createStructField(
                    c.name(),
                    c.type() == Column.Type.INT ? DataTypes.IntegerType : DataTypes.StringType,
                    true))
        .toList();
  }

  /** A string column that is never null. */
  public static StructField text(String name) {
    return DataTypes.createStructField(name, DataTypes.StringType, false);
  }
}
