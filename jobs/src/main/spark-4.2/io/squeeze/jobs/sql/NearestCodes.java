package io.squeeze.jobs.sql;

import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.model.Expanded;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.search.CodeSearch;
import io.squeeze.jobs.search.IndexedTable;
import io.squeeze.jobs.spark.ScalaLists;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaPairRDD;
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
import org.apache.spark.sql.catalyst.plans.logical.Statistics;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.execution.SparkStrategy;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.Metadata;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.unsafe.types.UTF8String;
import scala.Option;
import scala.Product;
import scala.Tuple2;
import scala.collection.immutable.IndexedSeq;
import scala.collection.immutable.Seq;
import scala.math.BigInt;

/** The rows of a plan, each with the ids of its nearest vectors among indexed codes. */
public final class NearestCodes extends LogicalPlan {
  private static final long serialVersionUID = 1L;

  private final LogicalPlan child;
  private final Expression query;
  private final AttributeReference found;
  private final Search search;

  /**
   * How each row is looked for.
   *
   * @param table where
   * @param count neighbours of each row
   * @param unit whether the direction of a row's vector alone counts
   * @param outer whether rows without a vector are kept
   */
  public record Search(IndexedTable table, int count, boolean unit, boolean outer)
      implements Serializable {
    CodeSearch.Request request() {
      return new CodeSearch.Request(count, table.probes(), null);
    }

    @Override
    public String toString() {
      return "k=%d, %s".formatted(count, table.reads());
    }
  }

  /**
   * A search.
   *
   * @param query its vector, an expression on the child's columns
   * @param found the column to add
   */
  public NearestCodes(
      LogicalPlan child, Expression query, AttributeReference found, Search search) {
    this.child = child;
    this.query = query;
    this.found = found;
    this.search = search;
  }

  static AttributeReference foundId() {
    return new AttributeReference(
        "nearest_id",
        DataTypes.StringType,
        true,
        Metadata.empty(),
        NamedExpression.newExprId(),
        empty());
  }

  private static <T> Seq<T> empty() {
    return SparkInternals.seq(List.of());
  }

  private static Seq<Attribute> with(Seq<Attribute> columns, Attribute found) {
    List<Attribute> all = new ArrayList<>(ScalaLists.of(columns));
    all.add(found);
    return SparkInternals.seq(all);
  }

  private static boolean same(Product one, Product other) {
    return IntStream.range(0, one.productArity())
        .allMatch(n -> one.productElement(n).equals(other.productElement(n)));
  }

  AttributeReference found() {
    return found;
  }

  @Override
  public Seq<Attribute> output() {
    return with(child.output(), found);
  }

  @Override
  public AttributeSet producedAttributes() {
    return AttributeSet.apply(found);
  }

  /** A row becomes as many as are found for it. */
  @Override
  public Statistics stats() {
    Statistics rows = child.stats();
    return rows.copy(
        rows.sizeInBytes().$times(BigInt.apply(search.count())),
        Option.empty(),
        rows.attributeStats(),
        false);
  }

  @Override
  public Seq<LogicalPlan> children() {
    return SparkInternals.seq(List.of(child));
  }

  @Override
  public LogicalPlan withNewChildrenInternal(IndexedSeq<LogicalPlan> children) {
    return new NearestCodes(children.apply(0), query, found, search);
  }

  @Override
  public int productArity() {
    return 4;
  }

  @Override
  public Object productElement(int n) {
    return List.of(child, query, found, search).get(n);
  }

  @Override
  public boolean canEqual(Object other) {
    return other instanceof NearestCodes;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof NearestCodes node && same(this, node);
  }

  @Override
  public int hashCode() {
    return Objects.hash(child, query, found, search);
  }

  /** Plans the search. */
  static final class Planned extends SparkStrategy {
    @Override
    public Seq<SparkPlan> apply(LogicalPlan plan) {
      return plan instanceof NearestCodes nearest
          ? SparkInternals.seq(
              List.of(
                  new Searched(
                      planLater(nearest.child), nearest.query, nearest.found, nearest.search)))
          : empty();
    }
  }

  /** Runs the search: every row of the child has a number, by which its answers join it. */
  public static final class Searched extends SparkPlan {
    private static final long serialVersionUID = 1L;
    private static final StructType QUERIES =
        new StructType()
            .add(Columns.QUERY_ID, DataTypes.BinaryType, false)
            .add(Columns.VECTOR, DataTypes.createArrayType(DataTypes.FloatType, false), false);

    private final SparkPlan child;
    private final Expression query;
    private final AttributeReference found;
    private final Search search;

    public Searched(SparkPlan child, Expression query, AttributeReference found, Search search) {
      this.child = child;
      this.query = query;
      this.found = found;
      this.search = search;
    }

    @Override
    public Seq<Attribute> output() {
      return with(child.output(), found);
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
      return new Searched(children.apply(0), query, found, search);
    }

    @Override
    public String simpleString(int maxFields) {
      return "NearestCodes " + search;
    }

    @Override
    public RDD<InternalRow> doExecute() {
      Seq<Attribute> columns = child.output();
      Expression vector = query;
      boolean unit = search.unit();
      // A row is read twice, by its search and where its answers join it: as it was at first.
      JavaPairRDD<Long, Asked> asked =
          child
              .execute()
              .toJavaRDD()
              .mapPartitions(rows -> asked(rows, columns, vector, unit))
              .zipWithUniqueId()
              .mapToPair(Tuple2::swap)
              .persist(StorageLevel.MEMORY_AND_DISK());
      SqueezeSession session = SqueezeSession.of(session(), Reporter.standard());
      JavaRDD<Row> queries =
          asked
              .filter(row -> row._2().vector() != null)
              .map(row -> RowFactory.create(bytes(row._1()), row._2().vector()));
      try {
        Dataset<Row> nearest =
            nearest(session, session.spark().createDataFrame(queries, QUERIES))
                .select(Columns.QUERY_ID, Columns.SAMPLE_ID);
        JavaPairRDD<Long, String> ids =
            SparkInternals.rows(nearest)
                .mapToPair(
                    row ->
                        new Tuple2<>(
                            ByteBuffer.wrap(row.getBinary(0)).getLong(), row.getString(1)));
        Seq<Attribute> shown = output();
        int width = columns.size();
        JavaRDD<Tuple2<byte[], String>> joined =
            search.outer()
                ? asked
                    .leftOuterJoin(ids)
                    .values()
                    .map(both -> new Tuple2<>(both._1().row(), both._2().orElse(null)))
                : asked.join(ids).values().map(both -> new Tuple2<>(both._1().row(), both._2()));
        return joined.mapPartitions(some -> joined(some, shown, width)).rdd();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    private Dataset<Row> nearest(SqueezeSession session, Dataset<Row> queries) throws IOException {
      IndexedTable table = search.table();
      CodeSearch codes = CodeSearch.open(session, table.codes(), table.index());
      CodeSearch.Request request = search.request();
      return table.vectors() == null
          ? codes.nearestOfAny(queries, request)
          : codes.nearestOfAny(queries, request, table.vectors(), request.candidates(0));
    }

    /**
     * A row of the child.
     *
     * @param row its bytes
     * @param vector null where it has none
     */
    private record Asked(byte[] row, float[] vector) implements Serializable {}

    private static byte[] bytes(long id) {
      return ByteBuffer.allocate(Long.BYTES).putLong(id).array();
    }

    private static Iterator<Asked> asked(
        Iterator<InternalRow> rows, Seq<Attribute> columns, Expression vector, boolean unit) {
      UnsafeProjection all = UnsafeProjection.create(expressions(columns), columns);
      UnsafeProjection one = UnsafeProjection.create(SparkInternals.seq(List.of(vector)), columns);
      return new Expanded<>(
          rows,
          row -> {
            float[] asked = asked(one.apply(row), unit);
            return List.of(new Asked(all.apply(row).getBytes(), asked));
          });
    }

    /** The vector of a row; null where nothing can be near. */
    private static float[] asked(UnsafeRow row, boolean unit) {
      if (row.isNullAt(0) || VectorColumn.holdsNull(row.getArray(0))) {
        return null;
      }
      float[] vector = row.getArray(0).toFloatArray();
      double length = unit ? VectorColumn.length(vector) : 1;
      if (!VectorColumn.isFinite(vector) || length == 0) {
        return null;
      }
      for (int i = 0; i < vector.length; i++) {
        vector[i] = (float) (vector[i] / length);
      }
      return vector;
    }

    private static Iterator<InternalRow> joined(
        Iterator<Tuple2<byte[], String>> rows, Seq<Attribute> shown, int width) {
      UnsafeProjection project = UnsafeProjection.create(expressions(shown), shown);
      UnsafeRow row = new UnsafeRow(width);
      return new Iterator<>() {
        @Override
        public boolean hasNext() {
          return rows.hasNext();
        }

        @Override
        public InternalRow next() {
          Tuple2<byte[], String> next = rows.next();
          row.pointTo(next._1(), next._1().length);
          Object[] id = {UTF8String.fromString(next._2())};
          return project.apply(new JoinedRow(row, new GenericInternalRow(id)));
        }
      };
    }

    private static Seq<Expression> expressions(Seq<Attribute> columns) {
      return SparkInternals.seq(new ArrayList<>(ScalaLists.of(columns)));
    }

    @Override
    public int productArity() {
      return 4;
    }

    @Override
    public Object productElement(int n) {
      return List.of(child, query, found, search).get(n);
    }

    @Override
    public boolean canEqual(Object other) {
      return other instanceof Searched;
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Searched node && same(this, node);
    }

    @Override
    public int hashCode() {
      return Objects.hash(child, query, found, search);
    }
  }
}
