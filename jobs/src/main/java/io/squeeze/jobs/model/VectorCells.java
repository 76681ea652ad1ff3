package io.squeeze.jobs.model;

import java.io.Serializable;
import org.apache.spark.sql.catalyst.CatalystTypeConverters;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;

/**
 * Reads a column of vectors from rows as Spark holds them: arrays of float and double become
 * primitive arrays, without an object for each number.
 *
 * @param at index of the column
 * @param type of it
 */
record VectorCells(int at, DataType type) implements Serializable {

  /** What {@link VectorColumn#floats} takes: the vector of a row; null where there is none. */
  Object value(InternalRow row) {
    if (row.isNullAt(at)) {
      return null;
    }
    DataType element = type instanceof ArrayType array ? array.elementType() : null;
    boolean single = DataTypes.FloatType.equals(element);
    if (single || DataTypes.DoubleType.equals(element)) {
      ArrayData values = row.getArray(at);
      if (!VectorColumn.holdsNull(values)) {
        return single ? values.toFloatArray() : floats(values.toDoubleArray());
      }
    }
    return CatalystTypeConverters.convertToScala(row.get(at, type), type);
  }

  private static float[] floats(double[] values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }
}
