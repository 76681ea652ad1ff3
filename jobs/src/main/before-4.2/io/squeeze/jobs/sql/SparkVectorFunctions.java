package io.squeeze.jobs.sql;

import static org.apache.spark.sql.types.DataTypes.FloatType;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.StaticCall;
import io.squeeze.jobs.sql.SqlFunction.Arity;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal$;
import org.apache.spark.sql.expressions.UserDefinedAggregator;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;

/**
 * The vector functions that Spark has from 4.2 on, with its types and what it makes of nulls: over
 * {@code array<float>} alone.
 */
final class SparkVectorFunctions {
  private static final String GROUP = "array_funcs";
  private static final DataType FLOATS = DataTypes.createArrayType(FloatType, false);

  static final List<SqlFunction> FUNCTIONS =
      List.of(
          ofTwo(
              "vector_cosine_similarity",
              "cosineSimilarity",
              "Returns the cosine of the angle between two vectors; null where one is all zeros.",
              "0.97463185"),
          ofTwo(
              "vector_l2_distance",
              "l2Distance",
              "Returns the Euclidean distance of two vectors.",
              "5.196152"),
          ofTwo(
              "vector_inner_product",
              "innerProduct",
              "Returns the inner product of two vectors.",
              "32.0"),
          ofOne(
              "vector_norm",
              "norm",
              FloatType,
              "Returns the norm of a vector: of degree 1.0, 2.0 (the default) or float('inf').",
              "5.0"),
          ofOne(
              "vector_normalize",
              "normalize",
              FLOATS,
              "Returns a vector divided by its norm: of degree 1.0, 2.0 (the default) or"
                  + " float('inf'); null where that is zero.",
              "[0.6, 0.8]"),
          aggregate(
              "vector_sum", false, "Returns the sum of vectors, value by value.", "[4.0, 6.0]"),
          aggregate(
              "vector_avg", true, "Returns the mean of vectors, value by value.", "[2.0, 3.0]"));

  private SparkVectorFunctions() {}

  private static SqlFunction ofTwo(String name, String method, String usage, String gives) {
    return new SqlFunction(
        name,
        GROUP,
        Arity.of(2),
        "_FUNC_(a, b) - " + usage + " Null where one is null or holds a null.",
        List.of("SELECT %s(array(1f, 2f, 3f), array(4f, 5f, 6f))".formatted(name), gives),
        arguments -> {
          check(name, arguments);
          return StaticCall.of(
              VectorSemantics.class, method, FloatType, arguments, List.of(FLOATS, FLOATS));
        });
  }

  private static SqlFunction ofOne(
      String name, String method, DataType result, String usage, String gives) {
    return new SqlFunction(
        name,
        GROUP,
        new Arity(1, 2),
        "_FUNC_(vector[, degree]) - " + usage + " Null where one is null or holds a null.",
        List.of("SELECT %s(array(3f, 4f))".formatted(name), gives),
        arguments -> {
          check(name, arguments.subList(0, 1));
          List<Expression> both = new ArrayList<>(arguments);
          if (both.size() == 2 && !both.get(1).dataType().equals(FloatType)) {
            throw SqueezeException.usage(
                "The degree of %s is a float, %s is %s: cast it"
                    .formatted(name, both.get(1).sql(), both.get(1).dataType().catalogString()));
          }
          if (both.size() == 1) {
            both.add(Literal$.MODULE$.apply(2f));
          }
          return StaticCall.of(
              VectorSemantics.class, method, result, both, List.of(FLOATS, FloatType));
        });
  }

  private static SqlFunction aggregate(String name, boolean mean, String usage, String gives) {
    return new SqlFunction(
        name,
        "agg_funcs",
        Arity.of(1),
        "_FUNC_(vector) - " + usage + " Vectors that are null or hold a null do not count.",
        List.of(
            "SELECT %s(v) FROM VALUES (array(1f, 2f)), (array(3f, 4f)) AS t(v)".formatted(name),
            gives),
        arguments -> {
          check(name, arguments);
          Expression whole =
              StaticCall.of(VectorSemantics.class, "whole", FLOATS, arguments, List.of(FLOATS));
          return SparkInternals.aggregate(
              (UserDefinedAggregator<?, ?, ?>) VectorAggregate.function(name, mean),
              List.of(whole));
        });
  }

  private static void check(String name, List<Expression> vectors) {
    for (Expression vector : vectors) {
      boolean floats =
          vector.dataType() instanceof ArrayType array && array.elementType().equals(FloatType);
      if (!floats) {
        throw SqueezeException.usage(
            "%s takes array<float>, %s is %s: cast it"
                .formatted(name, vector.sql(), vector.dataType().catalogString()));
      }
    }
  }
}
