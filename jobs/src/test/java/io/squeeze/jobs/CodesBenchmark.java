package io.squeeze.jobs;

import static org.apache.spark.sql.functions.callUDF;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.codec.BitPacking;
import io.squeeze.codec.CodeCodec;
import io.squeeze.config.Seeds;
import io.squeeze.jobs.publish.CodeHistogram;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.ParquetBytes;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.sql.SqueezeExtensions;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.metric.CodeUsage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.types.DataTypes;

/**
 * Bytes of codes on disk, and the time that queries of a million take: {@code CodesBenchmark
 * CODES}, the path of published codes whose statistics are drawn from. CONTRIBUTING.md has the
 * command.
 */
@SuppressWarnings("SystemOut")
public final class CodesBenchmark {
  private static final int ROWS = 100_000;
  private static final int MILLION = 1_000_000;

  private final SparkSession spark;
  private final HadoopStorage storage;
  private final Path folder;

  private CodesBenchmark(SparkSession spark) throws IOException {
    this.spark = spark;
    this.storage = Sessions.storage(spark);
    this.folder = Files.createTempDirectory("codes-benchmark");
  }

  public static void main(String[] args) throws IOException {
    int threads = Runtime.getRuntime().availableProcessors();
    try (SparkSession spark = Fixture.local("local[" + threads + "]")) {
      SqueezeExtensions.register(spark);
      CodesBenchmark benchmark = new CodesBenchmark(spark);
      for (String path : args) {
        Published codes = Versions.codes(benchmark.storage, path, "--codes");
        Dataset<Row> rows = codes.read(spark);
        int depth = rows.select(Columns.LEVELS).first().getInt(0);
        long[] sizes = new long[depth];
        codes
            .codebook(spark)
            .groupBy(Columns.LEVEL)
            .count()
            .collectAsList()
            .forEach(row -> sizes[row.getInt(0)] = row.getLong(1));
        int[] levels = Arrays.stream(sizes).mapToInt(Math::toIntExact).toArray();
        List<CodeUsage> usage = CodeHistogram.of(rows, levels);
        System.out.println(path + ": " + codes.manifest().positions() + " vectors a sample");
        benchmark.sizes(usage, codes.manifest().positions());
        benchmark.queries(usage, codes);
      }
      long[] even = new long[16384];
      Arrays.fill(even, 1);
      System.out.println("uniform, 16384 codes: 49 vectors a sample");
      benchmark.sizes(List.of(new CodeUsage(even)), 49);
      long[] skewed = new long[512];
      Arrays.setAll(skewed, k -> (long) (1e12 / Math.pow(k + 1, 2)));
      System.out.println("Zipf 2, 512 codes: 49 vectors a sample");
      benchmark.sizes(List.of(new CodeUsage(skewed)), 49);
    }
  }

  /** Codes drawn one by one by their level's statistics. */
  private Dataset<Row> drawn(List<CodeUsage> usage, int positions, long rows) {
    int depth = usage.size();
    double[][] sums = new double[depth][];
    for (int l = 0; l < depth; l++) {
      double[] parts = Arrays.stream(usage.get(l).counts()).asDoubleStream().toArray();
      Arrays.parallelPrefix(parts, Double::sum);
      sums[l] = parts;
    }
    UDF1<Long, int[]> draw =
        id -> {
          SplittableRandom random = Seeds.random(id, "codes");
          int[] codes = new int[positions * depth];
          for (int i = 0; i < codes.length; i++) {
            double[] level = sums[i % depth];
            int at = Arrays.binarySearch(level, random.nextDouble() * level[level.length - 1]);
            codes[i] = Math.min(level.length - 1, at < 0 ? -at - 1 : at + 1);
          }
          return codes;
        };
    return spark
        .range(rows)
        .select(
            col("id").cast("string").as(Columns.SAMPLE_ID),
            lit(depth).as(Columns.LEVELS),
            udf(draw, DataTypes.createArrayType(DataTypes.IntegerType, false))
                .apply(col("id"))
                .as(Columns.CODES));
  }

  private void sizes(List<CodeUsage> usage, int positions) throws IOException {
    Dataset<Row> rows = drawn(usage, positions, ROWS).persist();
    double entropy = usage.stream().mapToDouble(CodeUsage::entropyBits).sum();
    int bits = usage.stream().mapToInt(u -> BitPacking.bits(u.counts().length)).sum();
    System.out.printf(Locale.ROOT, "  %d bits a vector packed, %.3f by entropy%n", bits, entropy);
    Map<String, Map<String, String>> settings = new LinkedHashMap<>();
    settings.put("array, zstd 3", Map.of("compression", "zstd"));
    settings.put("array, uncompressed", Map.of("compression", "none"));
    settings.put(
        "array, zstd 9",
        Map.of("compression", "zstd", "parquet.compression.codec.zstd.level", "9"));
    settings.put(
        "array, pages of 8 MB", Map.of("compression", "zstd", "parquet.page.size", "8388608"));
    settings.put(
        "array, dictionary of 16 KB",
        Map.of("compression", "zstd", "parquet.dictionary.page.size", "16384"));
    settings.put(
        "array, row groups of 8 MB",
        Map.of("compression", "zstd", "parquet.block.size", "8388608"));
    settings.put(
        "array, no dictionary",
        Map.of("compression", "zstd", "parquet.enable.dictionary", "false"));
    settings.forEach((name, options) -> size(name, rows, options, positions));
    for (String codec : List.of(Coding.PACKED, Coding.ENTROPY)) {
      CodeCodec packing = Coding.of(codec, usage).implementation();
      UDF1<scala.collection.Seq<Integer>, byte[]> pack =
          codes -> packing.pack(IntStream.range(0, codes.size()).map(codes::apply).toArray());
      Dataset<Row> packed =
          rows.withColumn(Columns.CODES, udf(pack, DataTypes.BinaryType).apply(col(Columns.CODES)));
      size(codec + ", zstd 3", packed, Map.of("compression", "zstd"), positions);
    }
    rows.unpersist();
  }

  private void size(String name, Dataset<Row> rows, Map<String, String> options, int positions) {
    try {
      String path = folder.resolve(name.replaceAll("[^a-z0-9]", "_")).toString();
      rows.coalesce(1).write().mode("overwrite").options(options).parquet(path);
      double vectors = (double) ROWS * positions;
      long chunk = ParquetBytes.of(spark, storage, path, Columns.CODES).bytes();
      long whole =
          storage.files(path).entrySet().stream()
              .filter(file -> file.getKey().endsWith(".parquet"))
              .mapToLong(Map.Entry::getValue)
              .sum();
      System.out.printf(
          Locale.ROOT,
          "  %-28s %7.3f bits a vector, %7.3f with the whole file%n",
          name,
          8 * chunk / vectors,
          8 * whole / vectors);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private void queries(List<CodeUsage> usage, Published codes) throws IOException {
    String path = folder.resolve("million").toString();
    drawn(usage, 1, MILLION).write().mode("overwrite").option("compression", "zstd").parquet(path);
    System.out.printf(
        Locale.ROOT,
        "  a million rows of one vector: %.2f bits of codes a row%n",
        8.0 * ParquetBytes.of(spark, storage, path, Columns.CODES).bytes() / MILLION);
    spark.read().parquet(path).createOrReplaceTempView("million");
    float[] query = new float[codes.manifest().channels()];
    Arrays.fill(query, 0.1f);
    time("count", () -> spark.sql("SELECT count(*) FROM million"));
    time("count codes", () -> spark.sql("SELECT sum(size(codes)) FROM million"));
    time("histogram", () -> spark.sql("SELECT code_histogram(codes) FROM million"));
    time(
        "nearest ten",
        () ->
            spark
                .table("million")
                .orderBy(callUDF("code_distance", col("codes"), lit(query), lit(codes.path())))
                .limit(10));
  }

  private static void time(String name, Supplier<Dataset<Row>> query) {
    double[] seconds = new double[5];
    for (int round = 0; round < seconds.length; round++) {
      long began = System.nanoTime();
      query.get().collectAsList();
      seconds[round] = (System.nanoTime() - began) / 1e9;
    }
    Arrays.sort(seconds);
    System.out.printf(Locale.ROOT, "  %-14s %.2f s (median of 5)%n", name, seconds[2]);
  }
}
