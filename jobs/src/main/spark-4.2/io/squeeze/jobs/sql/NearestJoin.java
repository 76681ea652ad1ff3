package io.squeeze.jobs.sql;

import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.search.CodeSearch;
import io.squeeze.jobs.search.IndexedTable;
import io.squeeze.jobs.spark.ScalaLists;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.spark.StaticCall;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.expressions.Alias;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.Cast;
import org.apache.spark.sql.catalyst.expressions.EqualTo;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.NamedExpression;
import org.apache.spark.sql.catalyst.expressions.VectorCosineSimilarity;
import org.apache.spark.sql.catalyst.expressions.VectorL2Distance;
import org.apache.spark.sql.catalyst.plans.LeftOuter$;
import org.apache.spark.sql.catalyst.plans.NearestByDistance$;
import org.apache.spark.sql.catalyst.plans.NearestBySimilarity$;
import org.apache.spark.sql.catalyst.plans.logical.Join;
import org.apache.spark.sql.catalyst.plans.logical.JoinHint;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.NearestByJoin;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.catalyst.plans.logical.SubqueryAlias;
import org.apache.spark.sql.catalyst.plans.logical.View;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.execution.datasources.HadoopFsRelation;
import org.apache.spark.sql.execution.datasources.LogicalRelation;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import scala.Option;
import scala.runtime.AbstractPartialFunction;

/**
 * Answers {@code q JOIN c APPROX NEAREST k BY DISTANCE code_distance(c.codes, q.v, 'O')} by the
 * index of O: the nearest are searched, and their rows joined by sample_id. So it does with {@code
 * q JOIN t APPROX NEAREST k BY DISTANCE vector_l2_distance(t.v, q.v)} where the session names codes
 * of t, and with {@code SIMILARITY vector_cosine_similarity} where its vectors are of length 1. It
 * applies where the right side is such a table as it is; elsewhere, and with EXACT, Spark compares
 * all pairs. Spark replaces its own join at the end of analysis, so this is a rule of analysis,
 * too.
 */
final class NearestJoin extends Rule<LogicalPlan> {
  private final SparkSession spark;

  private NearestJoin(SparkSession spark) {
    this.spark = spark;
  }

  static void inject(SparkSessionExtensions extensions) {
    extensions.injectPostHocResolutionRule(NearestJoin::new);
    extensions.injectPlannerStrategy(session -> new NearestCodes.Planned());
  }

  @Override
  public LogicalPlan apply(LogicalPlan plan) {
    return plan.resolveOperatorsUp(
        new AbstractPartialFunction<LogicalPlan, LogicalPlan>() {
          @Override
          public boolean isDefinedAt(LogicalPlan node) {
            return node instanceof NearestByJoin join && join.resolved();
          }

          @Override
          public LogicalPlan apply(LogicalPlan node) {
            NearestByJoin join = (NearestByJoin) node;
            return replaced(join).orElse(join);
          }
        });
  }

  private Optional<LogicalPlan> replaced(NearestByJoin join) {
    Optional<LogicalRelation> table = table(join.right());
    if (!join.approx() || join.numResults() > CodeSearch.MOST_FOUND || table.isEmpty()) {
      return Optional.empty();
    }
    boolean distance = join.direction() == NearestByDistance$.MODULE$;
    Expression ranking = join.rankingExpression();
    try {
      if (distance && ranking instanceof StaticCall call && call.name().equals("code_distance")) {
        return byCodes(join, call, table.get());
      }
      boolean similarity = !distance && ranking instanceof VectorCosineSimilarity;
      return similarity || (distance && ranking instanceof VectorL2Distance)
          ? byVectors(join, ScalaLists.of(ranking.children()), table.get(), similarity)
          : Optional.empty();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Optional<LogicalPlan> byCodes(NearestByJoin join, StaticCall call, LogicalRelation table)
      throws IOException {
    List<Expression> arguments = ScalaLists.of(call.arguments());
    if (!(arguments.get(2) instanceof Literal literal)
        || !(literal.value() instanceof QueryModel model)
        || !model.comparesAllLevels()
        || model.codes() == null
        || !plain(path(table)).equals(plain(model.codes() + "/codes"))
        || !origin(join.right(), arguments.get(0)).equals(Optional.of(Columns.CODES))) {
      return Optional.empty();
    }
    Optional<IndexedTable> indexed =
        IndexedTable.ofCodes(session(), model.codes(), join.numResults());
    return indexed.isEmpty()
        ? Optional.empty()
        : searched(join, arguments.get(1), indexed.get(), Columns.SAMPLE_ID);
  }

  private Optional<LogicalPlan> byVectors(
      NearestByJoin join, List<Expression> pair, LogicalRelation table, boolean similarity)
      throws IOException {
    Map<String, String> ids =
        ScalaLists.of(table.output()).stream()
            .filter(column -> isName(column.dataType()))
            .collect(
                Collectors.toMap(Attribute::name, column -> column.dataType().catalogString()));
    for (int i = 0; i < 2; i++) {
      Optional<String> vector = origin(join.right(), pair.get(i));
      if (vector.isPresent()) {
        String[] files = ((HadoopFsRelation) table.relation()).location().inputFiles();
        Optional<IndexedTable> indexed =
            IndexedTable.ofVectors(
                session(), path(table), files, vector.get(), ids, join.numResults());
        return indexed.isEmpty() || (similarity && !indexed.get().unit())
            ? Optional.empty()
            : searched(join, pair.get(1 - i), indexed.get(), indexed.get().vectors().idColumn());
      }
    }
    return Optional.empty();
  }

  private SqueezeSession session() {
    return SqueezeSession.of(spark, Reporter.standard());
  }

  /** Types whose text names a row in the codes as it does here. */
  private static boolean isName(DataType type) {
    return List.of(
            DataTypes.StringType,
            DataTypes.ByteType,
            DataTypes.ShortType,
            DataTypes.IntegerType,
            DataTypes.LongType)
        .contains(type);
  }

  /** The search and what it found; empty where the plan cannot ask for it. */
  private static Optional<LogicalPlan> searched(
      NearestByJoin join, Expression query, IndexedTable indexed, String idColumn) {
    Optional<Attribute> id =
        ScalaLists.of(join.right().output()).stream()
            .filter(column -> origin(join.right(), column).equals(Optional.of(idColumn)))
            .findFirst();
    if (id.isEmpty()
        || !query.deterministic()
        || !query.references().subsetOf(join.left().outputSet())) {
      return Optional.empty();
    }
    boolean outer = join.joinType() == LeftOuter$.MODULE$;
    boolean unit = join.direction() == NearestBySimilarity$.MODULE$;
    NearestCodes nearest =
        new NearestCodes(
            join.left(),
            query,
            NearestCodes.foundId(),
            new NearestCodes.Search(indexed, join.numResults(), unit, outer));
    Expression name =
        id.get().dataType().equals(DataTypes.StringType)
            ? id.get()
            : new Cast(id.get(), DataTypes.StringType, Option.apply("UTC"));
    Join rows =
        new Join(
            nearest,
            join.right(),
            join.joinType(),
            Option.apply(new EqualTo(nearest.found(), name)),
            JoinHint.NONE());
    List<NamedExpression> shown = new ArrayList<>();
    ScalaLists.of(join.left().output()).forEach(shown::add);
    ScalaLists.of(rows.output()).stream()
        .skip(ScalaLists.of(nearest.output()).size())
        .forEach(shown::add);
    return Optional.of(new Project(SparkInternals.seq(shown), rows));
  }

  /** The table that a plan reads from one path, if it does nothing else. */
  private static Optional<LogicalRelation> table(LogicalPlan plan) {
    LogicalPlan at = plan;
    while (at instanceof Project || at instanceof SubqueryAlias || at instanceof View) {
      at = ScalaLists.of(at.children()).get(0);
    }
    return at instanceof LogicalRelation relation
            && relation.relation() instanceof HadoopFsRelation files
            && files.location().rootPaths().size() == 1
        ? Optional.of(relation)
        : Optional.empty();
  }

  private static String path(LogicalRelation table) {
    HadoopFsRelation files = (HadoopFsRelation) table.relation();
    List<?> paths = ScalaLists.of(files.location().rootPaths());
    return String.valueOf(paths.get(0));
  }

  private static String plain(String path) {
    return path.replaceFirst("^file:/+", "/");
  }

  /** The column of the table that an expression on a plan is, whatever views call it. */
  private static Optional<String> origin(LogicalPlan plan, Expression expression) {
    Expression at = uncast(expression);
    LogicalPlan node = plan;
    while (at instanceof Attribute column && !(node instanceof LogicalRelation)) {
      if (node instanceof Project project) {
        at =
            ScalaLists.of(project.projectList()).stream()
                .filter(shown -> shown.exprId().equals(column.exprId()))
                .map(
                    shown ->
                        uncast(shown instanceof Alias named ? named.child() : (Expression) shown))
                .findFirst()
                .orElse(null);
      }
      node = ScalaLists.of(node.children()).get(0);
    }
    if (!(at instanceof Attribute column)) {
      return Optional.empty();
    }
    return ScalaLists.of(node.output()).stream()
        .filter(own -> own.exprId().equals(column.exprId()))
        .map(Attribute::name)
        .findFirst();
  }

  /** What is cast, where that changes no id. */
  private static Expression uncast(Expression expression) {
    return expression instanceof Cast cast
            && (cast.dataType() instanceof ArrayType
                || cast.dataType().equals(cast.child().dataType()))
        ? uncast(cast.child())
        : expression;
  }
}
