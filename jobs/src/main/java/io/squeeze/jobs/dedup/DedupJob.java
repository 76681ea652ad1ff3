package io.squeeze.jobs.dedup;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.when;

import io.squeeze.config.Json;
import io.squeeze.config.Seeds;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.fit.ListCentroids;
import io.squeeze.jobs.fit.ListCentroids.Effort;
import io.squeeze.jobs.model.Expanded;
import io.squeeze.jobs.model.Groups;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.search.Centroids;
import io.squeeze.search.SimilarPairs;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Finds vectors that are nearly the same and says which of each group stays. Candidates are the
 * vectors of one list, and those near to its boundary (k-means lists); pairs are joined to groups
 * by {@link Components}.
 */
public final class DedupJob {
  /** Beside the Parquet files; engines leave out what begins with {@code _}. */
  static final String SUMMARY = "_summary.json";

  private static final String ORDER = "keep_order";
  private static final String VISITOR = "visitor";
  private static final String KEPT = "kept_id";
  private static final String KEEP = "keep";
  private static final String ID = "id";
  private static final String SIMILARITY = "similarity";

  /** Lists beside its own that a vector is compared in. */
  private static final int VISITED = 8;

  /** Vectors of a list that are held at once. */
  private static final int HELD = 1 << 14;

  private static final int BLOCK = 1024;

  private static final int MOST_LISTS = 1 << 16;

  private static final StructType NODE =
      new StructType().add(ORDER, DataTypes.DoubleType, false).add(ID, DataTypes.StringType, false);

  private static final StructType EDGES =
      new StructType().add("a", NODE, false).add("b", NODE, false);

  private static final StructType LISTED =
      new StructType()
          .add(Columns.LIST, DataTypes.IntegerType, false)
          .add(VISITOR, DataTypes.BooleanType, false)
          .add(ID, DataTypes.StringType, false)
          .add(ORDER, DataTypes.DoubleType, false)
          .add(Columns.VECTOR, DataTypes.createArrayType(DataTypes.FloatType, false), false);

  private final SqueezeSession session;
  private final SparkSession spark;
  private final Request request;
  private final double radius;

  /** How similar two vectors are. */
  public enum Metric {
    /** The cosine of their angle; a threshold is the least. */
    COSINE,
    /** Their Euclidean distance; a threshold is the largest. */
    L2
  }

  /**
   * What to look for.
   *
   * @param threshold of the metric
   * @param out folder to write
   * @param seed of the lists
   */
  public record Request(Metric metric, double threshold, String out, long seed) {
    public Request {
      boolean fits = metric == Metric.L2 ? threshold > 0 : threshold > 0 && threshold <= 1;
      if (!fits) {
        throw SqueezeException.usage(
            "The threshold is %s: a cosine lies in (0, 1], a distance above 0 (--threshold)"
                .formatted(threshold));
      }
    }
  }

  public DedupJob(SqueezeSession session, Request request) {
    this.session = session;
    this.spark = session.spark();
    this.request = request;
    // Of unit vectors, |a - b|^2 = 2 - 2 cos.
    this.radius =
        request.metric() == Metric.L2
            ? request.threshold()
            : Math.sqrt(Math.max(0, 2 - 2 * request.threshold()));
  }

  /** Refuses to write over something, before anything else is done. */
  public String checkOut() throws IOException {
    return Tables.fresh(session.storage(), request.out());
  }

  /**
   * Writes id, keep, kept_id, similarity.
   *
   * @return what scripts want to know
   */
  public Map<String, Object> run(DedupSource source) throws IOException {
    String out = checkOut();
    long began = System.nanoTime();
    Tables.readBatches(spark, 4L * source.channels());
    String scratch = out + "._" + UUID.randomUUID().toString().substring(0, 8);
    try {
      Dataset<Row> vectors = source.rows();
      int lists = lists(source.count());
      step("lists", "%d vectors in %d lists".formatted(source.count(), lists));
      Centroids centroids =
          ListCentroids.of(
              sample(vectors, Effort.PASSING.share(lists, source.count())),
              lists,
              source.channels(),
              request.seed(),
              Effort.PASSING);
      step("pairs", "comparing the vectors of each list");
      String found = Storage.join(scratch, "pairs");
      pairs(vectors, centroids, source.channels()).write().parquet(found);
      Dataset<Row> pairs = spark.read().schema(EDGES).parquet(HadoopStorage.literal(found));
      long crowded = pairs.where("a = b").select("a").distinct().count();
      Dataset<Row> groups = new Components(spark, session.storage(), scratch).of(pairs);
      step("result", "writing " + out);
      Tables.replace(session.storage(), result(vectors, groups), out);
      return summary(out, source, lists, crowded, (System.nanoTime() - began) / 1e9);
    } finally {
      session.storage().delete(scratch);
    }
  }

  private void step(String name, String what) {
    JobDescription.name(spark, "dedup", name);
    session.reporter().say("Dedup: " + what);
  }

  /** Comparing within lists then costs as much as finding the lists. */
  private static int lists(long vectors) {
    double even = Math.sqrt((1.0 + VISITED) * vectors);
    return (int) Math.max(1, Math.min(Math.min(MOST_LISTS, vectors), Math.round(even)));
  }

  /** A vector on the unit sphere for cosines. */
  private static float[] compared(float[] vector, Metric metric) {
    if (metric == Metric.L2) {
      return vector;
    }
    double squares = 0;
    for (float value : vector) {
      squares += (double) value * value;
    }
    double norm = Math.sqrt(squares);
    float[] unit = new float[vector.length];
    for (int j = 0; j < unit.length; j++) {
      unit[j] = norm > 0 ? (float) (vector[j] / norm) : 0;
    }
    return unit;
  }

  private JavaRDD<VectorBlock> sample(Dataset<Row> vectors, double share) {
    Metric metric = request.metric();
    long seed = request.seed();
    return SparkInternals.rows(vectors)
        .mapPartitions(
            rows -> {
              java.util.Iterator<Keyed> drawn =
                  new Expanded<>(
                      rows,
                      row -> {
                        long key = Seeds.hash(0, "id", row.getString(0));
                        return Seeds.takes(Seeds.hash(seed ^ key, "centroids", ""), share)
                            ? List.of(
                                new Keyed(key, compared(row.getArray(2).toFloatArray(), metric)))
                            : List.of();
                      });
              return new Expanded<>(
                  new Groups<>(drawn, 4 * BLOCK), some -> List.of(VectorBlock.of(some)));
            });
  }

  private Dataset<Row> pairs(Dataset<Row> vectors, Centroids centroids, int channels) {
    Broadcast<Centroids> sent =
        JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(centroids);
    Metric metric = request.metric();
    double reach = radius;
    JavaRDD<Row> listed =
        SparkInternals.rows(vectors)
            .mapPartitions(
                rows ->
                    new Expanded<>(
                        new Groups<>(new Expanded<>(rows, row -> named(row, metric)), BLOCK),
                        some -> listed(some, sent.value(), reach)));
    Dataset<Row> inLists =
        spark
            .createDataFrame(listed, LISTED)
            .repartition(col(Columns.LIST))
            .sortWithinPartitions(col(Columns.LIST), col(VISITOR), col(ORDER), col(ID));
    ListPairs pairs = new ListPairs(new SimilarPairs(channels, reach), HELD);
    return spark.createDataFrame(SparkInternals.rows(inLists).mapPartitions(pairs), EDGES);
  }

  private record Named(String id, double order, float[] vector) {}

  /** A vector to compare; none of zeros, which has no direction. */
  private static List<Named> named(InternalRow row, Metric metric) {
    float[] vector = compared(row.getArray(2).toFloatArray(), metric);
    boolean zeros = metric == Metric.COSINE;
    for (int j = 0; zeros && j < vector.length; j++) {
      zeros = vector[j] == 0;
    }
    return zeros ? List.of() : List.of(new Named(row.getString(0), row.getDouble(1), vector));
  }

  private static List<Row> listed(List<Named> some, Centroids centroids, double radius) {
    Tasks.startOnCpu();
    float[][] vectors = some.stream().map(Named::vector).toArray(float[][]::new);
    int[][] lists = centroids.around(vectors, radius, VISITED);
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < vectors.length; i++) {
      for (int list : lists[i]) {
        rows.add(
            RowFactory.create(
                list, list != lists[i][0], some.get(i).id(), some.get(i).order(), vectors[i]));
      }
    }
    return rows;
  }

  /** Every id, whether it stays, what stays in its place, and how similar that is. */
  private Dataset<Row> result(Dataset<Row> vectors, Dataset<Row> groups) {
    Dataset<Row> members = groups.select(col("a." + ID).as(ID), col("b." + ID).as(KEPT));
    Dataset<Row> known = vectors.select(col(Columns.SAMPLE_ID), col(Columns.VECTOR));
    Dataset<Row> both =
        members
            .join(known.withColumnRenamed(Columns.SAMPLE_ID, ID), ID)
            .join(
                known.select(col(Columns.SAMPLE_ID).as(KEPT), col(Columns.VECTOR).as("kept")), KEPT)
            .select(ID, KEPT, Columns.VECTOR, "kept");
    Metric metric = request.metric();
    JavaRDD<Row> measured =
        SparkInternals.rows(both)
            .map(
                row ->
                    RowFactory.create(
                        row.getString(0),
                        row.getString(1),
                        similarity(
                            row.getArray(2).toFloatArray(),
                            row.getArray(3).toFloatArray(),
                            metric)));
    Dataset<Row> similar =
        spark.createDataFrame(
            measured,
            new StructType()
                .add(ID, DataTypes.StringType, false)
                .add(KEPT, DataTypes.StringType, false)
                .add(SIMILARITY, DataTypes.DoubleType, false));
    return vectors
        .select(col(Columns.SAMPLE_ID).as(ID))
        .join(similar, new String[] {ID}, "left")
        .select(
            col(ID),
            col(KEPT).isNull().as(KEEP),
            when(col(KEPT).isNull(), col(ID)).otherwise(col(KEPT)).as(KEPT),
            col(SIMILARITY));
  }

  private static double similarity(float[] a, float[] b, Metric metric) {
    double product = 0;
    double squareOfA = 0;
    double squareOfB = 0;
    for (int j = 0; j < a.length; j++) {
      product += (double) a[j] * b[j];
      squareOfA += (double) a[j] * a[j];
      squareOfB += (double) b[j] * b[j];
    }
    return metric == Metric.COSINE
        ? product / Math.sqrt(squareOfA * squareOfB)
        : Math.sqrt(Math.max(0, squareOfA + squareOfB - 2 * product));
  }

  private Map<String, Object> summary(
      String out, DedupSource source, int lists, long crowded, double seconds) throws IOException {
    Dataset<Row> written = spark.read().parquet(HadoopStorage.literal(out));
    long dropped = written.where(col(KEEP).equalTo(lit(false))).count();
    long groups = written.where(col(KEEP).equalTo(lit(false))).select(KEPT).distinct().count();
    Map<String, Object> summary = new LinkedHashMap<>();
    summary.put("out", out);
    summary.put("vectors", source.count());
    summary.put("groups", groups);
    summary.put("dropped", dropped);
    summary.put("metric", request.metric().name().toLowerCase(Locale.ROOT));
    summary.put("threshold", request.threshold());
    summary.put("measured_on", source.what());
    summary.put("lists", lists);
    summary.put("vectors_of_long_lists", crowded);
    summary.put("similarities", histogram(written));
    summary.put("seconds", seconds);
    session.storage().replace(Storage.join(out, SUMMARY), Json.pretty(summary));
    session
        .reporter()
        .result(
            String.format(
                Locale.ROOT,
                "%d of %d vectors are near-duplicates of %d that stay (%s, %s), in %.1f s: %s",
                dropped,
                source.count(),
                groups,
                request.metric().name().toLowerCase(Locale.ROOT),
                source.what(),
                seconds,
                out));
    if (crowded > 0) {
      session
          .reporter()
          .warn(
              "Lists of more than %d vectors were compared with one vector of each group alone (%d vectors)"
                  .formatted(HELD, crowded));
    }
    return summary;
  }

  /** How many of the dropped have which similarity to what stays, in hundredths. */
  private static Map<String, Long> histogram(Dataset<Row> written) {
    UDF1<Double, String> bin =
        value -> String.format(Locale.ROOT, "%.2f", Math.floor(value * 100) / 100);
    Map<String, Long> histogram = new LinkedHashMap<>();
    written
        .where(col(SIMILARITY).isNotNull())
        .groupBy(
            org.apache
                .spark
                .sql
                .functions
                .udf(bin, DataTypes.StringType)
                .apply(col(SIMILARITY))
                .as("bin"))
        .count()
        .orderBy("bin")
        .limit(1000)
        .collectAsList()
        .forEach(row -> histogram.put(row.getString(0), row.getLong(1)));
    return histogram;
  }
}
