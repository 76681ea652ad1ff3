package io.squeeze.jobs.sql;

import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.model.Expanded;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.search.CodeSearch;
import io.squeeze.jobs.spark.ScalaLists;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.AttributeSet;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.JoinedRow;
import org.apache.spark.sql.catalyst.expressions.NamedExpression;
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection;
import org.apache.spark.sql.catalyst.expressions.UnsafeRow;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.execution.SparkStrategy;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.Metadata;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import scala.collection.immutable.IndexedSeq;
import scala.collection.immutable.Seq;

/** The rows of a plan, each with the ids of its nearest vectors among indexed codes. */
public final class NearestCodes extends LogicalPlan {
  private static final long serialVersionUID = 1L;

  private final LogicalPlan child;
  private final Expression query;
  private final String codes;
  private final String reads;
  private final int count;
  private final boolean outer;
  private final AttributeReference found;

  /**
   * A search.
   *
   * @param query its vector, an expression on the child's columns
   * @param codes a version of codes with an index
   * @param reads what EXPLAIN says of it
   * @param count neighbours of each row
   * @param outer whether rows without a vector are kept
   * @param found the column to add
   */
  public NearestCodes(
      LogicalPlan child,
      Expression query,
      String codes,
      String reads,
      int count,
      boolean outer,
      AttributeReference found) {
    this.child = child;
    this.query = query;
    this.codes = codes;
    this.reads = reads;
    this.count = count;
    this.outer = outer;
    this.found = found;
  }

  static AttributeReference foundId(DataType type) {
    return new AttributeReference(
        "nearest_id", type, true, Metadata.empty(), NamedExpression.newExprId(), empty());
  }

  private static <T> Seq<T> empty() {
    return SparkInternals.seq(List.of());
  }

  AttributeReference found() {
    return found;
  }

  @Override
  public Seq<Attribute> output() {
    List<Attribute> all = new ArrayList<>(ScalaLists.of(child.output()));
    all.add(found);
    return SparkInternals.seq(all);
  }

  @Override
  public AttributeSet producedAttributes() {
    return AttributeSet.apply(found);
  }

  @Override
  public Seq<LogicalPlan> children() {
    return SparkInternals.seq(List.of(child));
  }

  @Override
  public LogicalPlan withNewChildrenInternal(IndexedSeq<LogicalPlan> children) {
    return new NearestCodes(children.apply(0), query, codes, reads, count, outer, found);
  }

  @Override
  public int productArity() {
    return 7;
  }

  @Override
  public Object productElement(int n) {
    return List.of(child, query, codes, reads, count, outer, found).get(n);
  }

  @Override
  public boolean canEqual(Object other) {
    return other instanceof NearestCodes;
  }

  @Override
  public boolean equals(Object other) {
    return this == other;
  }

  @Override
  public int hashCode() {
    return System.identityHashCode(this);
  }

  /** Plans the search. */
  static final class Planned extends SparkStrategy {
    @Override
    public Seq<SparkPlan> apply(LogicalPlan plan) {
      return plan instanceof NearestCodes nearest
          ? SparkInternals.seq(
              List.of(
                  new Searched(
                      planLater(nearest.child),
                      nearest.query,
                      nearest.codes,
                      nearest.reads,
                      nearest.count,
                      nearest.outer,
                      nearest.found)))
          : empty();
    }
  }

  /** Runs the search: a row of the child travels as its bytes, as the id of a query. */
  public static final class Searched extends SparkPlan {
    private static final long serialVersionUID = 1L;
    private static final StructType QUERIES =
        new StructType()
            .add(Columns.QUERY_ID, DataTypes.BinaryType, false)
            .add(Columns.VECTOR, DataTypes.createArrayType(DataTypes.FloatType, false), false);

    private final SparkPlan child;
    private final Expression query;
    private final String codes;
    private final String reads;
    private final int count;
    private final boolean outer;
    private final AttributeReference found;

    public Searched(
        SparkPlan child,
        Expression query,
        String codes,
        String reads,
        int count,
        boolean outer,
        AttributeReference found) {
      this.child = child;
      this.query = query;
      this.codes = codes;
      this.reads = reads;
      this.count = count;
      this.outer = outer;
      this.found = found;
    }

    @Override
    public Seq<Attribute> output() {
      List<Attribute> all = new ArrayList<>(ScalaLists.of(child.output()));
      all.add(found);
      return SparkInternals.seq(all);
    }

    @Override
    public AttributeSet producedAttributes() {
      return AttributeSet.apply(found);
    }

    @Override
    public Seq<SparkPlan> children() {
      return SparkInternals.seq(List.of(child));
    }

    @Override
    public SparkPlan withNewChildrenInternal(IndexedSeq<SparkPlan> children) {
      return new Searched(children.apply(0), query, codes, reads, count, outer, found);
    }

    @Override
    public String simpleString(int maxFields) {
      return "NearestCodes k=%d, %s".formatted(count, reads);
    }

    @Override
    public RDD<InternalRow> doExecute() {
      Seq<Attribute> columns = child.output();
      Expression vector = query;
      JavaRDD<InternalRow> rows = child.execute().toJavaRDD();
      int width = columns.size();
      SqueezeSession session = SqueezeSession.of(session(), Reporter.standard());
      JavaRDD<Row> queries = rows.mapPartitions(some -> queries(some, columns, vector, false));
      try {
        Dataset<Row> nearest =
            CodeSearch.open(session, codes)
                .nearestOfAny(session.spark().createDataFrame(queries, QUERIES), count)
                .select(Columns.QUERY_ID, Columns.SAMPLE_ID);
        Seq<Attribute> shown = output();
        JavaRDD<InternalRow> joined =
            SparkInternals.rows(nearest)
                .mapPartitions(some -> joined(new Answers(some, width), shown));
        if (!outer) {
          return joined.rdd();
        }
        JavaRDD<InternalRow> unasked =
            rows.mapPartitions(some -> queries(some, columns, vector, true))
                .mapPartitions(some -> joined(new Unasked(some, width), shown));
        return joined.union(unasked).rdd();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    /** The bytes of rows with a vector, and the vector; or of those without. */
    private static Iterator<Row> queries(
        Iterator<InternalRow> rows, Seq<Attribute> columns, Expression vector, boolean missing) {
      UnsafeProjection bytes = UnsafeProjection.create(expressions(columns), columns);
      UnsafeProjection asked =
          UnsafeProjection.create(SparkInternals.seq(List.of(vector)), columns);
      List<Row> none = List.of();
      return new Expanded<>(
          rows,
          row -> {
            UnsafeRow one = asked.apply(row);
            boolean unusable = one.isNullAt(0) || VectorFunctions.hasNull(one.getArray(0));
            if (unusable != missing) {
              return none;
            }
            float[] values = missing ? new float[0] : one.getArray(0).toFloatArray();
            return List.of(RowFactory.create(bytes.apply(row).getBytes(), values));
          });
    }

    private static Seq<Expression> expressions(Seq<Attribute> columns) {
      return SparkInternals.seq(new ArrayList<>(ScalaLists.of(columns)));
    }

    private static Iterator<InternalRow> joined(Iterator<InternalRow> rows, Seq<Attribute> shown) {
      UnsafeProjection project = UnsafeProjection.create(expressions(shown), shown);
      return new Iterator<>() {
        @Override
        public boolean hasNext() {
          return rows.hasNext();
        }

        @Override
        public InternalRow next() {
          return project.apply(rows.next());
        }
      };
    }

    private static InternalRow row(byte[] bytes, int width, UTF8String id) {
      UnsafeRow row = new UnsafeRow(width);
      row.pointTo(bytes, bytes.length);
      return new JoinedRow(row, new GenericInternalRow(new Object[] {id}));
    }

    /** Rows of the child with what was found. */
    private record Answers(Iterator<InternalRow> found, int width)
        implements Iterator<InternalRow> {
      @Override
      public boolean hasNext() {
        return found.hasNext();
      }

      @Override
      public InternalRow next() {
        InternalRow answer = found.next();
        return row(answer.getBinary(0), width, answer.getUTF8String(1));
      }
    }

    /** Rows of the child without a vector. */
    private record Unasked(Iterator<Row> rows, int width) implements Iterator<InternalRow> {
      @Override
      public boolean hasNext() {
        return rows.hasNext();
      }

      @Override
      public InternalRow next() {
        return row(rows.next().getAs(0), width, null);
      }
    }

    @Override
    public int productArity() {
      return 7;
    }

    @Override
    public Object productElement(int n) {
      return List.of(child, query, codes, reads, count, outer, found).get(n);
    }

    @Override
    public boolean canEqual(Object other) {
      return other instanceof Searched;
    }

    @Override
    public boolean equals(Object other) {
      return this == other;
    }

    @Override
    public int hashCode() {
      return System.identityHashCode(this);
    }
  }
}
