package io.squeeze.jobs.spark;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.objects.StaticInvoke;
import org.apache.spark.sql.types.AbstractDataType;
import org.apache.spark.sql.types.DataType;
import scala.collection.IndexedSeq;
import scala.collection.Seq;

/**
 * A call of a static method inside of generated code. In plans, and as the name of a column, it
 * looks as the query has it. The same class of the other Sparks stands beside it.
 */
public final class StaticCall extends StaticInvoke {
  private static final long serialVersionUID = 1L;

  private final String name;
  private final int given;

  private StaticCall(String name, int given, StaticInvoke call, Seq<Expression> arguments) {
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

  /**
   * A call that is null where an argument is.
   *
   * @param on the class of the static method
   * @param types of its parameters; arguments are cast to them
   */
  public static Expression of(
      Class<?> on,
      String method,
      DataType result,
      List<Expression> arguments,
      List<? extends AbstractDataType> types) {
    return new StaticInvoke(
        on,
        result,
        method,
        SparkInternals.seq(arguments),
        SparkInternals.seq(new ArrayList<AbstractDataType>(types)),
        true,
        true,
        true);
  }

  /** The same with the name and the number of arguments that the query has; others as they are. */
  public static Expression named(String name, int given, Expression expression) {
    return expression instanceof StaticInvoke call
        ? new StaticCall(name, given, call, call.arguments())
        : expression;
  }

  @Override
  public Expression withNewChildrenInternal(IndexedSeq<Expression> children) {
    return new StaticCall(name, given, this, children);
  }

  @Override
  public String toString() {
    return ScalaLists.of(arguments()).stream()
        .limit(given)
        .map(Expression::toString)
        .collect(Collectors.joining(", ", name + "(", ")"));
  }
}
