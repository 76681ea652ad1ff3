package io.squeeze.jobs.sql;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.StaticCall;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.ExpressionInfo;

/**
 * A function for Spark SQL.
 *
 * @param group of Spark's documentation
 * @param arguments fewest and most that it takes
 * @param usage one sentence for DESCRIBE FUNCTION, which begins with {@code _FUNC_}
 * @param examples a query and the line that it gives, in turns
 * @param builder makes the expression of the arguments
 */
record SqlFunction(
    String name,
    String group,
    Arity arguments,
    String usage,
    List<String> examples,
    Builder builder) {

  /** How many arguments a function takes. */
  record Arity(int fewest, int most) {
    static Arity of(int count) {
      return new Arity(count, count);
    }
  }

  /** Makes the expression of a call. */
  interface Builder {
    Expression of(List<Expression> arguments);
  }

  private ExpressionInfo info() {
    StringBuilder text = new StringBuilder("\n    Examples:\n");
    for (int i = 0; i < examples.size(); i += 2) {
      text.append("      > ").append(examples.get(i)).append(";\n");
      text.append("       ").append(examples.get(i + 1)).append('\n');
    }
    return new ExpressionInfo(
        SqueezeExtensions.class.getName(),
        null,
        name,
        usage,
        "",
        text.append("  ").toString(),
        "",
        group,
        "0.1.0",
        "",
        "built-in");
  }

  private Expression of(List<Expression> given) {
    int count = given.size();
    if (count < arguments.fewest() || count > arguments.most()) {
      String form = usage.substring("_FUNC_".length(), usage.indexOf(" - "));
      throw SqueezeException.usage(
          name + form + " was given " + count + (count == 1 ? " argument" : " arguments"));
    }
    return StaticCall.named(name, count, builder.of(given));
  }

  void inject(SparkSessionExtensions extensions) {
    SparkInternals.inject(extensions, name, info(), this::of);
  }

  void register(SparkSession spark) {
    SparkInternals.register(spark, name, info(), this::of);
  }
}
