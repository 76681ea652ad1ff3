package io.squeeze.jobs.sql;

import io.squeeze.config.SqueezeException;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.ExpressionInfo;
import org.apache.spark.sql.catalyst.expressions.objects.StaticInvoke;
import scala.Function1;
import scala.Option;
import scala.Tuple3;
import scala.collection.IndexedSeq;
import scala.collection.JavaConverters;
import scala.collection.Seq;

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

  /** A call that looks in plans, and as the name of a column, as it does in the query. */
  private static final class NamedCall extends StaticInvoke {
    private static final long serialVersionUID = 1L;

    private final String name;
    private final int given;

    NamedCall(String name, int given, StaticInvoke call) {
      this(name, given, call, call.arguments());
    }

    private NamedCall(String name, int given, StaticInvoke call, Seq<Expression> arguments) {
      super(
          call.staticObject(),
          call.dataType(),
          call.functionName(),
          arguments,
          call.inputTypes(),
          call.propagateNull(),
          call.returnNullable(),
          call.isDeterministic());
      this.name = name;
      this.given = given;
    }

    @Override
    public Expression withNewChildrenInternal(IndexedSeq<Expression> children) {
      return new NamedCall(name, given, this, children);
    }

    @Override
    public String toString() {
      return JavaConverters.seqAsJavaList(arguments()).stream()
          .limit(given)
          .map(Expression::toString)
          .collect(Collectors.joining(", ", name + "(", ")"));
    }
  }

  private FunctionIdentifier identifier() {
    return new FunctionIdentifier(name, Option.empty());
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

  private Expression of(Seq<Expression> given) {
    int count = given.size();
    if (count < arguments.fewest() || count > arguments.most()) {
      String form = usage.substring("_FUNC_".length(), usage.indexOf(" - "));
      throw SqueezeException.usage(
          name + form + " was given " + count + (count == 1 ? " argument" : " arguments"));
    }
    List<Expression> list = JavaConverters.seqAsJavaList(given);
    Expression expression = builder.of(list);
    return expression instanceof StaticInvoke call ? new NamedCall(name, count, call) : expression;
  }

  private Function1<Seq<Expression>, Expression> function() {
    return this::of;
  }

  void inject(SparkSessionExtensions extensions) {
    extensions.injectFunction(new Tuple3<>(identifier(), info(), function()));
  }

  void register(SparkSession spark) {
    spark.sessionState().functionRegistry().registerFunction(identifier(), info(), function());
  }
}
