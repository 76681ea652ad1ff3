package io.squeeze.jobs;

import static org.apache.spark.sql.functions.udf;

import io.squeeze.config.Seeds;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.sql.SqueezeExtensions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.api.java.UDF2;
import org.apache.spark.sql.types.DataTypes;
import scala.collection.Seq;

/**
 * {@code cosine_similarity} over a million vectors of 64, in arrays and in binaries, beside a UDF
 * of boxed floats; each less the same scan with {@code size}. CONTRIBUTING.md has the command.
 */
@SuppressWarnings("SystemOut")
public final class CosineBenchmark {
  private static final int ROWS = 1_000_000;
  private static final int WIDTH = 64;
  private static final int ROUNDS = 15;

  private CosineBenchmark() {}

  public static void main(String[] args) throws IOException {
    Path folder = Files.createTempDirectory("cosine-benchmark");
    String path = folder.resolve("vectors").toString();
    // One thread: the other core is for what the machine does beside.
    try (SparkSession spark = Fixture.local("local[1]")) {
      SqueezeExtensions.register(spark);
      register(spark);
      spark.range(ROWS).selectExpr("vector_of(id) AS v", "bytes_of(id) AS b").write().parquet(path);
      spark.read().parquet(path).createOrReplaceTempView("vectors");
      String constant =
          IntStream.range(0, WIDTH)
              .mapToObj(i -> "float(" + Math.sin(i) + ")")
              .collect(Collectors.joining(", ", "array(", ")"));
      Map<String, String[]> pairs = new LinkedHashMap<>();
      String size = "size(v)";
      String length = "length(b)";
      pairs.put(
          "array with a constant",
          new String[] {
            size, "cosine_similarity(v, " + constant + ")", "boxed(v, " + constant + ")"
          });
      pairs.put("array with itself", new String[] {size, "cosine_similarity(v, v)", "boxed(v, v)"});
      pairs.put(
          "binary with a constant",
          new String[] {
            length, "cosine_similarity(b, " + constant + ")", "boxed_bytes(b, bytes_of(0L))"
          });
      pairs.put(
          "binary with itself",
          new String[] {length, "cosine_similarity(b, b)", "boxed_bytes(b, b)"});
      pairs.forEach((name, expressions) -> compare(spark, name, expressions));
    }
  }

  private static void register(SparkSession spark) {
    UDF1<Long, float[]> vector = CosineBenchmark::vector;
    UDF1<Long, byte[]> bytes =
        id -> {
          ByteBuffer buffer = ByteBuffer.allocate(4 * WIDTH).order(ByteOrder.LITTLE_ENDIAN);
          buffer.asFloatBuffer().put(vector(id));
          return buffer.array();
        };
    UDF2<Seq<Float>, Seq<Float>, Double> boxed = CosineBenchmark::boxed;
    UDF2<byte[], byte[], Double> boxedBytes = (a, b) -> boxed(floats(a), floats(b));
    var floats = DataTypes.createArrayType(DataTypes.FloatType, false);
    spark.udf().register("vector_of", udf(vector, floats));
    spark.udf().register("bytes_of", udf(bytes, DataTypes.BinaryType));
    spark.udf().register("boxed", udf(boxed, DataTypes.DoubleType));
    spark.udf().register("boxed_bytes", udf(boxedBytes, DataTypes.DoubleType));
  }

  private static float[] vector(long id) {
    SplittableRandom random = Seeds.random(id, "vector");
    float[] values = new float[WIDTH];
    for (int j = 0; j < WIDTH; j++) {
      values[j] = (float) (random.nextDouble() - 0.5);
    }
    return values;
  }

  private static Seq<Float> floats(byte[] bytes) {
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    Float[] values = new Float[bytes.length / 4];
    Arrays.setAll(values, i -> buffer.getFloat(4 * i));
    return SparkInternals.seq(Arrays.asList(values));
  }

  /** What a first attempt looks like. */
  private static Double boxed(Seq<Float> a, Seq<Float> b) {
    double dot = 0;
    double as = 0;
    double bs = 0;
    for (int i = 0; i < a.size(); i++) {
      dot += a.apply(i) * b.apply(i);
      as += a.apply(i) * a.apply(i);
      bs += b.apply(i) * b.apply(i);
    }
    return dot / Math.sqrt(as * bs);
  }

  private static void compare(SparkSession spark, String name, String[] expressions) {
    double[][] seconds = new double[expressions.length][ROUNDS];
    for (int round = -2; round < ROUNDS; round++) {
      for (int i = 0; i < expressions.length; i++) {
        long began = System.nanoTime();
        spark.sql("SELECT sum(" + expressions[i] + ") FROM vectors").collectAsList();
        if (round >= 0) {
          seconds[i][round] = (System.nanoTime() - began) / 1e9;
        }
      }
    }
    double[] medians = new double[expressions.length];
    for (int i = 0; i < medians.length; i++) {
      Arrays.sort(seconds[i]);
      medians[i] = seconds[i][ROUNDS / 2];
    }
    System.out.printf(
        Locale.ROOT,
        "%-24s scan %.3f s, ours %.3f s, boxed %.3f s: less the scan %.1f times%n",
        name,
        medians[0],
        medians[1],
        medians[2],
        (medians[2] - medians[0]) / (medians[1] - medians[0]));
  }
}
