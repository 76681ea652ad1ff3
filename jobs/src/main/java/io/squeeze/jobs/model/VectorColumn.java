package io.squeeze.jobs.model;

import io.squeeze.config.Seeds;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.fit.VectorFit;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.spark.ScalaLists;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.weights.SmallFloats;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StructType;
import scala.Tuple2;

/**
 * A column of vectors: an array of numbers of any type (float16 comes as two bytes each), or Spark
 * ML's Vector. All become float32.
 *
 * @param name of the column
 * @param index of it in the rows that are read
 * @param id index of the column that names a row; -1: a vector is named by its values
 * @param channels values of every vector
 */
public record VectorColumn(String name, int index, int id, int channels) implements Serializable {

  /**
   * Checks a column's type.
   *
   * @throws SqueezeException of category input if it is no vector
   */
  public static void check(StructType schema, String name) {
    checkThere(schema, name);
    DataType type = schema.apply(name).dataType();
    boolean array =
        type instanceof ArrayType values
            && (values.elementType() instanceof NumericType
                || values.elementType().equals(DataTypes.BinaryType)); // float16
    if (!array && !type.equals(SQLDataTypes.VectorType())) {
      throw SqueezeException.input(
          "The column %s is %s; vectors are arrays of numbers, or Spark ML's Vector"
              .formatted(name, type.catalogString()));
    }
  }

  /**
   * Values of the first vector of a table.
   *
   * @throws SqueezeException of category input if there is none
   */
  public static int channels(Dataset<Row> rows, String name) {
    List<Row> first = rows.select(name).where(functions.col(name).isNotNull()).takeAsList(1);
    if (first.isEmpty()) {
      throw SqueezeException.input("There are no vectors in the column " + name);
    }
    return floats(first.get(0).get(0)).length;
  }

  /** Checks that a column can be added. */
  public static void checkFree(StructType schema, String name) {
    if (List.of(schema.fieldNames()).contains(name)) {
      throw SqueezeException.configuration("There is a column " + name + " already");
    }
  }

  /** Checks that there is such a column. */
  public static void checkThere(StructType schema, String name) {
    if (!List.of(schema.fieldNames()).contains(name)) {
      throw SqueezeException.input(
          "There is no column " + name + ": there are " + String.join(", ", schema.fieldNames()));
    }
  }

  /**
   * The vector of a row.
   *
   * @throws SqueezeException of category input if it is null, of another length, or not finite
   */
  public float[] vector(Row row) {
    return checked(row.get(index));
  }

  /** The same of what {@link VectorCells} reads. */
  float[] checked(Object value) {
    float[] vector = value == null ? null : floats(value);
    if (vector == null || vector.length != channels) {
      throw SqueezeException.input(
          "A vector of %s is %s; all need the %s of the first one: filter the others out"
              .formatted(
                  name, vector == null ? "null" : "of " + vector.length + " values", channels));
    }
    if (holdsNull(value)) {
      throw SqueezeException.input("A vector of " + name + " holds a null: filter such out");
    }
    for (float element : vector) {
      if (!Float.isFinite(element)) {
        throw SqueezeException.input(
            "A vector of " + name + " holds " + element + ": filter such out");
      }
    }
    return vector;
  }

  /** Values of a vector, whatever its type. */
  public static float[] floats(Object value) {
    if (value instanceof float[] floats) {
      return floats;
    }
    if (value instanceof Vector vector) {
      double[] values = vector.toArray();
      float[] floats = new float[values.length];
      for (int i = 0; i < floats.length; i++) {
        floats[i] = (float) values[i];
      }
      return floats;
    }
    List<?> values = list(value);
    float[] floats = new float[values.size()];
    int i = 0;
    for (Object element : values) {
      floats[i++] = number(element);
    }
    return floats;
  }

  /** A column of vectors as arrays of float; such arrays as they are, without a copy. */
  public static Column floats(Dataset<Row> rows, String column) {
    boolean already =
        rows.schema().apply(column).dataType() instanceof ArrayType array
            && array.elementType().equals(DataTypes.FloatType);
    UDF1<Object, float[]> floats = VectorColumn::floats;
    Column vector = Tables.quoted(column);
    return already
        ? vector
        : functions
            .udf(floats, DataTypes.createArrayType(DataTypes.FloatType, false))
            .apply(vector);
  }

  private static List<?> list(Object value) {
    return value instanceof scala.collection.Seq<?> seq ? ScalaLists.of(seq) : (List<?>) value;
  }

  private static float number(Object element) {
    if (element == null) {
      return Float.NaN;
    }
    if (element instanceof byte[] half) {
      return half.length == 2
          ? SmallFloats.fromHalf((short) ((half[0] & 0xFF) | (half[1] << 8)))
          : Float.NaN;
    }
    return ((Number) element).floatValue();
  }

  /** Whether a value of the vector is null. */
  static boolean holdsNull(Object value) {
    return !(value instanceof Vector || value instanceof float[]) && list(value).contains(null);
  }

  /** Whether no value is NaN or infinite. */
  public static boolean isFinite(float[] vector) {
    for (float value : vector) {
      if (!Float.isFinite(value)) {
        return false;
      }
    }
    return true;
  }

  /** The Euclidean length. */
  public static double length(float[] vector) {
    double squared = 0;
    for (float value : vector) {
      squared += (double) value * value;
    }
    return Math.sqrt(squared);
  }

  /** Whether a value of the vector is null. */
  public static boolean holdsNull(ArrayData values) {
    for (int i = 0; i < values.numElements(); i++) {
      if (values.isNullAt(i)) {
        return true;
      }
    }
    return false;
  }

  private long key(InternalRow row, float[] vector) {
    return id >= 0 ? Seeds.hash(0, "id", row.getString(id)) : key(vector);
  }

  /** What names a vector by its values. */
  public static long key(float[] vector) {
    long key = vector.length;
    for (float value : vector) {
      key = Seeds.hash(key ^ Float.floatToIntBits(value), "", "");
    }
    return key;
  }

  /** The chosen vectors of a table, in blocks. */
  public JavaRDD<VectorBlock> blocks(Dataset<?> table, long seed, double share) {
    VectorColumn column = this;
    VectorCells cells = new VectorCells(index, table.schema().apply(index).dataType());
    return SparkInternals.rows(table)
        .mapPartitions(rows -> column.blocks(rows, cells, seed, share));
  }

  /**
   * The keys that are taken, in the order of their ids; at most some ten thousand are to be taken.
   */
  public long[] inOrder(Dataset<?> table, VectorFit.Taken taken) {
    VectorColumn column = this;
    return SparkInternals.rows(table)
        .map(row -> new Tuple2<>(row.getString(column.id), column.key(row, null)))
        .filter(named -> taken.test(named._2()))
        .collect()
        .stream()
        .sorted(Comparator.comparing(Tuple2::_1))
        .mapToLong(Tuple2::_2)
        .toArray();
  }

  private Iterator<VectorBlock> blocks(
      Iterator<InternalRow> rows, VectorCells cells, long seed, double share) {
    VectorColumn column = this;
    return new Iterator<>() {
      private final List<Keyed> chosen = new ArrayList<>();

      @Override
      public boolean hasNext() {
        while (chosen.size() < VectorFit.FIT_ROWS && rows.hasNext()) {
          InternalRow row = rows.next();
          float[] vector = column.checked(cells.value(row));
          long key = column.key(row, vector);
          if (VectorFit.takes(seed, key, share)) {
            chosen.add(new Keyed(key, vector));
          }
        }
        return !chosen.isEmpty();
      }

      @Override
      public VectorBlock next() {
        if (!hasNext()) {
          throw new java.util.NoSuchElementException();
        }
        VectorBlock block = VectorBlock.of(chosen);
        chosen.clear();
        return block;
      }
    };
  }
}
