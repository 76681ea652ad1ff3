package io.squeeze.jobs.sql;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.spark.ScalaLists;
import io.squeeze.jobs.spark.SparkInternals;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.analysis.UnresolvedAttribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.Cast$;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.ObjectType;
import org.apache.spark.unsafe.types.UTF8String;

/** Pieces of expressions: calls of static methods, inside of generated code. */
final class Calls {
  static final DataType FLOATS = DataTypes.createArrayType(DataTypes.FloatType, true);
  static final DataType INTS = DataTypes.createArrayType(DataTypes.IntegerType, true);

  private Calls() {}

  /** An object that generated code refers to. */
  static Expression constant(Object value) {
    return new Literal(value, new ObjectType(value.getClass()));
  }

  /** The column of this name in the row that a column comes from. */
  static Expression beside(Expression column, String name) {
    List<String> parts = new ArrayList<>();
    if (column instanceof AttributeReference attribute) {
      parts.addAll(ScalaLists.of(attribute.qualifier()));
    }
    parts.add(name);
    return new UnresolvedAttribute(SparkInternals.seq(parts));
  }

  /** The vector of a literal, read once; others as they are. */
  static Expression folded(Expression argument) {
    if (!argument.resolved() || !argument.foldable()) {
      return argument;
    }
    Object value = Cast$.MODULE$.apply(argument, FLOATS, false).eval(InternalRow.empty());
    return value instanceof ArrayData array && !VectorColumn.holdsNull(array)
        ? constant(new Vector(array.toFloatArray()))
        : argument;
  }

  /** The type that {@link #folded} leaves. */
  static DataType typeOf(Expression vector) {
    return vector.dataType() instanceof ObjectType type ? type : FLOATS;
  }

  /** The text of an argument that names something. */
  static String text(Expression argument, String what) {
    if (argument.resolved()
        && argument.foldable()
        && argument.eval(InternalRow.empty()) instanceof UTF8String text) {
      return text.toString();
    }
    throw SqueezeException.usage(
        "The " + what + " must be a path in quotes, not " + argument.sql());
  }

  /** A constant vector, and the sum of its squares. */
  public record Vector(float[] values, double squares) implements java.io.Serializable {
    Vector(float[] values) {
      this(values, VectorFunctions.squares(values));
    }

    @Override
    public String toString() {
      return values.length + " values";
    }
  }
}
