package io.squeeze.jobs.spark;

import io.squeeze.jobs.storage.HadoopStorage;
import java.util.List;
import java.util.function.Function;
import org.apache.spark.SparkUserAppException;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.ml.param.Params;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.ExpressionInfo;
import org.apache.spark.sql.expressions.UserDefinedAggregator;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.internal.SessionState;
import scala.Function1;
import scala.Option;
import scala.Tuple3;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/** What Spark 4 has inside; the same class of the other Sparks stands beside it. */
public final class SparkInternals {
  private SparkInternals() {}

  private static SessionState state(SparkSession spark) {
    return ((org.apache.spark.sql.classic.SparkSession) spark).sessionState();
  }

  /** Storage as a session is configured. */
  public static HadoopStorage storage(SparkSession spark) {
    return new HadoopStorage(state(spark).newHadoopConf());
  }

  /** The settings of a session for Spark's own classes. */
  public static SQLConf settings(SparkSession spark) {
    return state(spark).conf();
  }

  private static Function1<Seq<Expression>, Expression> builder(
      Function<List<Expression>, Expression> builder) {
    return arguments -> builder.apply(CollectionConverters.asJava(arguments));
  }

  /** Adds a function to the sessions to come. */
  public static void inject(
      SparkSessionExtensions extensions,
      String name,
      ExpressionInfo info,
      Function<List<Expression>, Expression> builder) {
    extensions.injectFunction(new Tuple3<>(new FunctionIdentifier(name), info, builder(builder)));
  }

  /** Adds a function to a session that runs. */
  public static void register(
      SparkSession spark,
      String name,
      ExpressionInfo info,
      Function<List<Expression>, Expression> builder) {
    state(spark)
        .functionRegistry()
        .registerFunction(FunctionNames.added(name), info, builder(builder));
  }

  /** Takes a function of Spark's own from a session. */
  public static void drop(SparkSession spark, String name) {
    state(spark).functionRegistry().dropFunction(FunctionNames.builtin(name));
  }

  /** The rows as Spark holds them; each is valid until the next is asked for. */
  public static JavaRDD<InternalRow> rows(Dataset<?> dataset) {
    return ((org.apache.spark.sql.classic.Dataset<?>) dataset).queryExecution().toRdd().toJavaRDD();
  }

  /** An aggregate of columns. */
  public static Expression aggregate(
      UserDefinedAggregator<?, ?, ?> function, List<Expression> arguments) {
    return org.apache.spark.sql.execution.aggregate.ScalaAggregator$.MODULE$.apply(
        function, seq(arguments));
  }

  /** Writes what Spark ML keeps of a stage. */
  public static void saveStage(Params stage, String path, SparkSession spark) {
    DefaultParamsWriter.saveMetadata(stage, path, spark, Option.empty(), Option.empty());
  }

  /** Reads what {@link #saveStage} wrote. */
  public static DefaultParamsReader.Metadata loadStage(
      String path, SparkSession spark, Class<?> expected) {
    return DefaultParamsReader.loadMetadata(path, spark, expected.getName());
  }

  /** The end of a driver that failed with an exit code. */
  public static SparkUserAppException failed(int code) {
    return new SparkUserAppException(code, null);
  }

  /** A list as Spark takes it. */
  public static <T> Seq<T> seq(List<T> list) {
    return CollectionConverters.asScala(list).toSeq();
  }
}
