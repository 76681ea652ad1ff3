package io.squeeze.jobs.sql;

import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.search.CodeSearch;
import io.squeeze.jobs.spark.ScalaLists;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.spark.StaticCall;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.Cast;
import org.apache.spark.sql.catalyst.expressions.EqualTo;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.NamedExpression;
import org.apache.spark.sql.catalyst.plans.LeftOuter$;
import org.apache.spark.sql.catalyst.plans.NearestByDistance$;
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
import scala.Option;
import scala.runtime.AbstractPartialFunction;

/**
 * Answers {@code q JOIN c APPROX NEAREST k BY DISTANCE code_distance(c.codes, q.v, 'O')} by the
 * index of O: the nearest are searched, and their rows joined by sample_id. It applies where c is
 * the table of the codes as it is, of single vectors; elsewhere, and with EXACT, Spark compares all
 * pairs. Spark replaces its own join at the end of analysis, so this is a rule of analysis, too.
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
    boolean fits = join.approx() && join.direction() == NearestByDistance$.MODULE$;
    if (!fits
        || !(join.rankingExpression() instanceof StaticCall call)
        || !call.name().equals("code_distance")) {
      return Optional.empty();
    }
    List<Expression> arguments = ScalaLists.of(call.arguments());
    if (!(arguments.get(2) instanceof Literal literal)
        || !(literal.value() instanceof QueryModel model)
        || !model.comparesAllLevels()
        || model.codes() == null) {
      return Optional.empty();
    }
    Optional<Attribute> id = idBeside(arguments.get(0), join.right(), model.codes());
    if (id.isEmpty() || !arguments.get(1).references().subsetOf(join.left().outputSet())) {
      return Optional.empty();
    }
    try {
      return CodeSearch.reads(SqueezeSession.of(spark, Reporter.standard()), model.codes())
          .map(reads -> searched(join, arguments.get(1), model.codes(), reads, id.get()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static LogicalPlan searched(
      NearestByJoin join, Expression query, String codes, String reads, Attribute id) {
    boolean outer = join.joinType() == LeftOuter$.MODULE$;
    NearestCodes nearest =
        new NearestCodes(
            join.left(),
            query,
            codes,
            reads,
            join.numResults(),
            outer,
            NearestCodes.foundId(id.dataType()));
    Join rows =
        new Join(
            nearest,
            join.right(),
            join.joinType(),
            Option.apply(new EqualTo(nearest.found(), id)),
            JoinHint.NONE());
    List<NamedExpression> shown = new ArrayList<>();
    ScalaLists.of(join.left().output()).forEach(shown::add);
    ScalaLists.of(rows.output()).stream()
        .skip(ScalaLists.of(nearest.output()).size())
        .forEach(shown::add);
    return new Project(SparkInternals.seq(shown), rows);
  }

  /** The sample_id beside the codes, if a plan is the table of such codes and nothing else. */
  private static Optional<Attribute> idBeside(Expression codes, LogicalPlan plan, String version) {
    LogicalPlan at = plan;
    while (at instanceof Project || at instanceof SubqueryAlias || at instanceof View) {
      at = ScalaLists.of(at.children()).get(0);
    }
    if (!(at instanceof LogicalRelation relation)
        || !(relation.relation() instanceof HadoopFsRelation files)) {
      return Optional.empty();
    }
    List<?> paths = ScalaLists.of(files.location().rootPaths());
    if (paths.size() != 1 || !plain(paths.get(0)).equals(plain(version + "/codes"))) {
      return Optional.empty();
    }
    Optional<Attribute> own = named(relation, Columns.CODES);
    return own.isPresent() && own.get().semanticEquals(uncast(codes))
        ? named(relation, Columns.SAMPLE_ID).filter(id -> plan.outputSet().contains(id))
        : Optional.empty();
  }

  private static String plain(Object path) {
    return String.valueOf(path).replaceFirst("^file:/+", "/");
  }

  private static Optional<Attribute> named(LogicalRelation relation, String name) {
    return ScalaLists.of(relation.output()).stream()
        .filter(column -> column.name().equals(name))
        .map(Attribute.class::cast)
        .findFirst();
  }

  private static Expression uncast(Expression expression) {
    return expression instanceof Cast cast && cast.child() instanceof AttributeReference column
        ? column
        : expression;
  }
}
