package io.squeeze.jobs;

import static org.apache.spark.sql.functions.col;

import io.squeeze.config.Seeds;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.quantize.KMeans;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Writes the vectors that search and de-duplication are measured on: mixtures of 2,000 components
 * whose spectrum falls as a power law. Arguments: FOLDER COUNT QUERIES [WIDTH]; a vector has 384
 * values unless WIDTH says otherwise. {@code FOLDER/vectors} has the vectors, {@code
 * FOLDER/queries} others of the same mixture. {@code FOLDER/doubles} has vectors with two planted
 * rows for each fiftieth of them: one of cosine .96 to .999 ({@code d...}) and one of .90 to .94
 * ({@code m...}). CONTRIBUTING.md has the commands.
 */
@SuppressWarnings("SystemOut")
public final class SearchBenchmark {
  private static final int WIDTH = 384;
  private static final int COMPONENTS = 2000;
  private static final int PLANTED = 50;
  private static final StructType SCHEMA =
      new StructType()
          .add("id", DataTypes.StringType, false)
          .add("v", DataTypes.createArrayType(DataTypes.FloatType, false), false);

  private SearchBenchmark() {}

  /**
   * A mixture.
   *
   * @param power of the spectrum
   * @param within spread of a component, as a share of that of the components
   * @param width values of a vector
   */
  private record Mixture(double power, double within, int width) implements Serializable {

    /** Neighbours that codes can tell apart. */
    static Mixture searched(int width) {
      return new Mixture(-0.5, 0.5, width);
    }

    /** Hardly two vectors of cosine .9 but those that are planted. */
    static Mixture apart(int width) {
      return new Mixture(-0.4, 1, width);
    }
  }

  /** A vector of the mixture. */
  private static float[] vector(Mixture mixture, String purpose, long i) {
    SplittableRandom random = Seeds.random(i, purpose);
    SplittableRandom centre = Seeds.random(random.nextInt(COMPONENTS), "component");
    float[] x = new float[mixture.width()];
    for (int j = 0; j < x.length; j++) {
      double spread = Math.pow(j + 1, mixture.power());
      double own = mixture.within() * Seeds.gaussian(random);
      x[j] = (float) (spread * (Seeds.gaussian(centre) + own));
    }
    return x;
  }

  /** Another vector at this cosine. */
  private static float[] near(float[] x, double cosine, SplittableRandom random) {
    double[] other = new double[x.length];
    double along = 0;
    double squares = 0;
    for (int j = 0; j < x.length; j++) {
      other[j] = Seeds.gaussian(random);
      along += other[j] * x[j];
      squares += (double) x[j] * x[j];
    }
    double rest = 0;
    for (int j = 0; j < x.length; j++) {
      other[j] -= along / squares * x[j];
      rest += other[j] * other[j];
    }
    double weight = Math.sqrt((1 - cosine * cosine) * squares / rest);
    float[] near = new float[x.length];
    for (int j = 0; j < x.length; j++) {
      near[j] = (float) (cosine * x[j] + weight * other[j]);
    }
    return near;
  }

  private static Iterator<Row> planted(Mixture mixture, long i) {
    List<Row> rows = new ArrayList<>();
    float[] x = vector(mixture, "vector", i);
    rows.add(RowFactory.create("v%09d".formatted(i), x));
    if (i % PLANTED == 0) {
      SplittableRandom random = Seeds.random(i, "planted");
      double close = 0.96 + 0.039 * random.nextDouble();
      double far = 0.90 + 0.04 * random.nextDouble();
      rows.add(RowFactory.create("d%09d".formatted(i), near(x, close, random)));
      rows.add(RowFactory.create("m%09d".formatted(i), near(x, far, random)));
    }
    return rows.iterator();
  }

  private static Dataset<Row> rows(
      SparkSession spark, Mixture mixture, String purpose, long count) {
    MapPartitionsFunction<Long, Row> make =
        ids ->
            new Iterator<>() {
              @Override
              public boolean hasNext() {
                return ids.hasNext();
              }

              @Override
              public Row next() {
                long i = ids.next();
                return RowFactory.create(
                    purpose.charAt(0) + "%09d".formatted(i), vector(mixture, purpose, i));
              }
            };
    return spark.range(0, count, 1, 4).mapPartitions(make, ExpressionEncoder.apply(SCHEMA));
  }

  /** Recall of what a search wrote against the exact neighbours of the first queries. */
  private static void compare(String vectors, String queries, String found, int asked)
      throws IOException {
    try (SparkSession spark = Fixture.local("local[2]")) {
      List<Row> some = spark.read().parquet(queries).orderBy("id").limit(asked).collectAsList();
      float[][] rows =
          some.stream().map(row -> VectorColumn.floats(row.get(1))).toArray(float[][]::new);
      long began = System.nanoTime();
      FlatMapFunction<Iterator<Row>, Near> scan = all -> near(all, rows).iterator();
      Map<Integer, List<Near>> truth =
          spark
              .read()
              .parquet(vectors)
              .select("id", "v")
              .toJavaRDD()
              .mapPartitions(scan)
              .collect()
              .stream()
              .sorted(Comparator.comparingDouble(Near::distance))
              .collect(Collectors.groupingBy(Near::query));
      double seconds = (System.nanoTime() - began) / 1e9;
      spark.read().parquet(found).createOrReplaceTempView("found");
      int kept = 0;
      for (int q = 0; q < asked; q++) {
        Set<String> ids =
            spark
                .table("found")
                .where(col("query_id").equalTo(some.get(q).getString(0)))
                .select("sample_id")
                .as(Encoders.STRING())
                .collectAsList()
                .stream()
                .collect(Collectors.toSet());
        kept +=
            (int) truth.get(q).stream().limit(10).filter(near -> ids.contains(near.id())).count();
      }
      System.out.printf(
          Locale.ROOT,
          "recall@10 of %d queries: %.4f; exact neighbours took %.1f s%n",
          asked,
          kept / (10.0 * asked),
          seconds);
    }
  }

  /** A vector that may be one of the nearest of a query. */
  private record Near(int query, String id, double distance) implements Serializable {}

  private static List<Near> near(Iterator<Row> all, float[][] queries) {
    List<PriorityQueue<Near>> heaps = new ArrayList<>();
    for (int q = 0; q < queries.length; q++) {
      heaps.add(new PriorityQueue<>(Comparator.comparingDouble(Near::distance).reversed()));
    }
    while (all.hasNext()) {
      Row row = all.next();
      float[] vector = VectorColumn.floats(row.get(1));
      for (int q = 0; q < queries.length; q++) {
        double distance = KMeans.squared(queries[q], 0, vector, 0, vector.length);
        PriorityQueue<Near> heap = heaps.get(q);
        if (heap.size() < 10 || distance < heap.peek().distance()) {
          heap.add(new Near(q, row.getString(0), distance));
          if (heap.size() > 10) {
            heap.remove();
          }
        }
      }
    }
    return heaps.stream().flatMap(PriorityQueue::stream).toList();
  }

  public static void main(String[] args) throws IOException {
    if (args[0].equals("recall")) {
      compare(args[1], args[2], args[3], Integer.parseInt(args[4]));
      return;
    }
    long count = Long.parseLong(args[1]);
    int width = args.length > 3 ? Integer.parseInt(args[3]) : WIDTH;
    Mixture searched = Mixture.searched(width);
    Mixture apart = Mixture.apart(width);
    try (SparkSession spark = Fixture.local("local[2]")) {
      rows(spark, searched, "vector", count).write().parquet(args[0] + "/vectors");
      rows(spark, searched, "query", Long.parseLong(args[2])).write().parquet(args[0] + "/queries");
      MapPartitionsFunction<Long, Row> plant =
          ids -> {
            List<Iterator<Row>> one = new ArrayList<>();
            return new Iterator<>() {
              @Override
              public boolean hasNext() {
                while ((one.isEmpty() || !one.get(0).hasNext()) && ids.hasNext()) {
                  one.clear();
                  one.add(planted(apart, ids.next()));
                }
                return !one.isEmpty() && one.get(0).hasNext();
              }

              @Override
              public Row next() {
                return one.get(0).next();
              }
            };
          };
      spark
          .range(0, count, 1, 4)
          .mapPartitions(plant, ExpressionEncoder.apply(SCHEMA))
          .write()
          .parquet(args[0] + "/doubles");
    }
  }
}
