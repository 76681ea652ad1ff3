package io.squeeze.jobs.publish;

import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;
import org.apache.parquet.schema.Type.Repetition;
import org.apache.parquet.schema.Types;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;

/**
 * A column of our tables, for Spark and for Parquet.
 *
 * @param required whether every row has a value
 */
public record TableColumn(String name, Kind kind, boolean required) {

  /** What a value is. */
  public enum Kind {
    TEXT,
    INTEGER,
    LONG,
    REAL,
    BYTES,
    INTEGERS,
    FLOATS
  }

  /** A string that every row has. */
  public static TableColumn text(String name) {
    return new TableColumn(name, Kind.TEXT, true);
  }

  static TableColumn integer(String name) {
    return new TableColumn(name, Kind.INTEGER, true);
  }

  static TableColumn longInteger(String name) {
    return new TableColumn(name, Kind.LONG, true);
  }

  static TableColumn real(String name) {
    return new TableColumn(name, Kind.REAL, true);
  }

  static TableColumn bytes(String name) {
    return new TableColumn(name, Kind.BYTES, true);
  }

  static TableColumn integers(String name) {
    return new TableColumn(name, Kind.INTEGERS, true);
  }

  static TableColumn floats(String name) {
    return new TableColumn(name, Kind.FLOATS, true);
  }

  TableColumn optional() {
    return new TableColumn(name, kind, false);
  }

  /** The column as Spark's schemas have it. */
  public StructField field() {
    return DataTypes.createStructField(name, spark(), !required);
  }

  private DataType spark() {
    return switch (kind) {
      case TEXT -> DataTypes.StringType;
      case INTEGER -> DataTypes.IntegerType;
      case LONG -> DataTypes.LongType;
      case REAL -> DataTypes.DoubleType;
      case BYTES -> DataTypes.BinaryType;
      case INTEGERS -> DataTypes.createArrayType(DataTypes.IntegerType, false);
      case FLOATS -> DataTypes.createArrayType(DataTypes.FloatType, false);
    };
  }

  /** The same for Parquet's. */
  Type parquet() {
    Repetition repetition = required ? Repetition.REQUIRED : Repetition.OPTIONAL;
    return switch (kind) {
      case TEXT ->
          Types.primitive(PrimitiveTypeName.BINARY, repetition)
              .as(LogicalTypeAnnotation.stringType())
              .named(name);
      case INTEGER -> Types.primitive(PrimitiveTypeName.INT32, repetition).named(name);
      case LONG -> Types.primitive(PrimitiveTypeName.INT64, repetition).named(name);
      case REAL -> Types.primitive(PrimitiveTypeName.DOUBLE, repetition).named(name);
      case BYTES -> Types.primitive(PrimitiveTypeName.BINARY, repetition).named(name);
      case INTEGERS -> list(repetition, PrimitiveTypeName.INT32);
      case FLOATS -> list(repetition, PrimitiveTypeName.FLOAT);
    };
  }

  private Type list(Repetition repetition, PrimitiveTypeName element) {
    return Types.list(repetition).element(Types.required(element).named("element")).named(name);
  }
}
