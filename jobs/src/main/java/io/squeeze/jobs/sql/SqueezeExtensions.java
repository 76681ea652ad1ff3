package io.squeeze.jobs.sql;

import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.ExpressionInfo;
import org.apache.spark.sql.catalyst.expressions.objects.StaticInvoke;
import org.apache.spark.sql.types.AbstractDataType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import scala.Function1;
import scala.Option;
import scala.Tuple3;
import scala.collection.JavaConverters;
import scala.collection.Seq;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * Our SQL functions: {@code --conf spark.sql.extensions=io.squeeze.jobs.sql.SqueezeExtensions}, or
 * {@link #register} in a session that runs.
 */
public final class SqueezeExtensions extends AbstractFunction1<SparkSessionExtensions, BoxedUnit> {
  private static final String EXAMPLES =
      """

          Examples:
            > SELECT cosine_similarity(array(3.0, 4.0), array(4.0, 3.0));
             0.96
            > SELECT l2_distance(array(3.0, 4.0), array(0.0, 0.0));
             5.0
        \
      """;

  private static final List<Pair> FUNCTIONS =
      List.of(
          new Pair(
              "cosine_similarity",
              "cosine",
              "_FUNC_(a, b) - Returns the cosine of the angle between two vectors: arrays of"
                  + " numbers, taken as float, or binaries of little-endian float32. Null where one"
                  + " is null, holds a null, or is all zeros."),
          new Pair(
              "l2_distance",
              "distance",
              "_FUNC_(a, b) - Returns the Euclidean distance of two vectors: arrays of numbers,"
                  + " taken as float, or binaries of little-endian float32. Null where one is null"
                  + " or holds a null."));

  /**
   * A function of two vectors.
   *
   * @param method of {@link VectorFunctions}
   */
  private record Pair(String name, String method, String usage) {

    FunctionIdentifier identifier() {
      return new FunctionIdentifier(name, Option.empty());
    }

    ExpressionInfo info() {
      return new ExpressionInfo(
          VectorFunctions.class.getName(),
          null,
          name,
          usage,
          "",
          EXAMPLES,
          "",
          "array_funcs",
          "0.1.0",
          "",
          "built-in");
    }

    Expression of(Seq<Expression> arguments) {
      if (arguments.size() != 2) {
        throw new IllegalArgumentException(
            name + " takes two vectors, but was given " + arguments.size() + " arguments");
      }
      boolean binary =
          JavaConverters.seqAsJavaList(arguments).stream()
              .anyMatch(argument -> argument.dataType().equals(DataTypes.BinaryType));
      DataType type =
          binary ? DataTypes.BinaryType : DataTypes.createArrayType(DataTypes.FloatType, true);
      List<AbstractDataType> types = List.of(type, type);
      return new StaticInvoke(
          VectorFunctions.class,
          DataTypes.DoubleType,
          method,
          arguments,
          JavaConverters.asScalaBuffer(types).toSeq(),
          true,
          true,
          true);
    }

    Function1<Seq<Expression>, Expression> builder() {
      return this::of;
    }
  }

  @Override
  public BoxedUnit apply(SparkSessionExtensions extensions) {
    for (Pair pair : FUNCTIONS) {
      extensions.injectFunction(new Tuple3<>(pair.identifier(), pair.info(), pair.builder()));
    }
    return BoxedUnit.UNIT;
  }

  /** Adds the functions to a session that was started without the extension. */
  public static void register(SparkSession spark) {
    for (Pair pair : FUNCTIONS) {
      spark
          .sessionState()
          .functionRegistry()
          .registerFunction(pair.identifier(), pair.info(), pair.builder());
    }
  }
}
