package io.squeeze.jobs.ml;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.var_pop;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.encode.EncodeVectorsJob;
import io.squeeze.jobs.evaluate.EvaluateVectorsJob;
import io.squeeze.jobs.model.BadRows;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.query.Workspace;
import io.squeeze.jobs.run.VectorSummary;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.sql.SqueezeExtensions;
import io.squeeze.jobs.train.FitVectorsJob;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.commons.io.FileUtils;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VectorQuantizationIT {
  private static final StructType SCHEMA =
      new StructType()
          .add("id", DataTypes.IntegerType)
          .add("features", DataTypes.createArrayType(DataTypes.FloatType, false));
  private static final BadRows BAD_ROWS = BadRows.of(Settings.defaults().data());
  private static SparkSession spark;

  @BeforeAll
  static void start() {
    spark = Shared.session();
  }

  /** Vectors around a few centres, wider along the first axes. */
  private static List<Row> vectors(int count, int width) {
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      SplittableRandom random = Seeds.random(i, "row");
      SplittableRandom centre = Seeds.random(i % 17, "centre");
      Float[] vector = new Float[width];
      for (int j = 0; j < width; j++) {
        double spread = 3.0 / (1 + j);
        vector[j] = (float) (Seeds.gaussian(centre) * spread + Seeds.gaussian(random) * spread / 3);
      }
      rows.add(RowFactory.create(i, vector));
    }
    return rows;
  }

  private static VectorQuantization estimator(String type) {
    return new VectorQuantization()
        .setQuantizerType(type)
        .setCodebookSize(32)
        .setBottleneckDim(8)
        .setNumQuantizers(2)
        .setMaxIter(6)
        .setSeed(7);
  }

  @Test
  void theModelDoesNotDependOnPartitionsOrOrder() {
    List<Row> rows = vectors(2000, 24);
    for (String type : List.of("rvq")) {
      String expected = null;
      for (int parts : new int[] {1, 3, 16}) {
        Collections.shuffle(rows, new Random(parts));
        Dataset<Row> table = spark.createDataFrame(rows, SCHEMA).repartition(parts);
        VectorQuantizationModel model = estimator(type).fit(table);
        StringBuilder bytes = new StringBuilder();
        model
            .checkpoint()
            .state()
            .tensors()
            .forEach((n, t) -> bytes.append(n).append(Arrays.hashCode(t.bytes())));
        expected = expected == null ? bytes.toString() : expected;
        assertThat(bytes.toString()).as(type + " in " + parts).isEqualTo(expected);
      }
    }
  }

  @Test
  void moreBitsLoseLessAndCodesAreThoseOfTheReconstruction(@TempDir Path folder) throws Exception {
    Dataset<Row> table = spark.createDataFrame(vectors(1500, 24), SCHEMA).cache();
    double vq = error(estimator("vq").fit(table), table);
    double rvq = error(estimator("rvq").fit(table), table);
    double beam = error(estimator("rvq").setBeam(8).fit(table), table);
    assertThat(vq).isBetween(0.02, 0.25);
    assertThat(rvq).isLessThan(vq * 0.8);
    assertThat(beam).isLessThanOrEqualTo(rvq);

    Pipeline pipeline = new Pipeline().setStages(new PipelineStage[] {estimator("rvq")});
    pipeline.write().save(folder.resolve("pipeline").toString());
    PipelineModel fitted = Pipeline.load(folder.resolve("pipeline").toString()).fit(table);
    fitted.write().save(folder.resolve("model").toString());
    PipelineModel loaded = PipelineModel.load(folder.resolve("model").toString());
    List<Row> before = fitted.transform(table).orderBy("id").select("codes").collectAsList();
    assertThat(loaded.transform(table).orderBy("id").select("codes").collectAsList())
        .isEqualTo(before);
    assertThat(before.get(0).getList(0)).hasSize(2);
    // A vector's codes do not depend on its neighbours.
    Dataset<Row> few = table.where("id % 7 = 3");
    List<Row> expected =
        fitted.transform(table).where("id % 7 = 3").orderBy("id").select("codes").collectAsList();
    assertThat(loaded.transform(few.repartition(5)).orderBy("id").select("codes").collectAsList())
        .isEqualTo(expected);
  }

  /** Squared error by squared norm, both summed. */
  private static double error(VectorQuantizationModel model, Dataset<Row> table) {
    double lost = 0;
    double all = 0;
    for (Row row : model.setReconstructionCol("decoded").transform(table).collectAsList()) {
      List<Float> vector = row.getList(1);
      List<Float> decoded = row.getList(3);
      for (int j = 0; j < vector.size(); j++) {
        lost += Math.pow(vector.get(j) - decoded.get(j), 2);
        all += Math.pow(vector.get(j), 2);
      }
    }
    return lost / all;
  }

  @Test
  void theReadmesExampleRuns(@TempDir Path folder) throws Exception {
    String path = folder.resolve("readme").toString();
    Dataset<Row> table = spark.createDataFrame(vectors(300, 24), SCHEMA);
    // README: begin
    VectorQuantizationModel model =
        new VectorQuantization()
            .setInputCol("features")
            .setQuantizerType("rvq") // 4 levels of 256 codes: 32 bits
            .setBottleneckDim(16)
            .setReconstructionCol("decoded")
            .fit(table);
    Dataset<Row> codes = model.transform(table); // adds codes, decoded
    model.write().overwrite().save(path);
    // README: end
    assertThat(codes.columns()).containsExactly("id", "features", "codes", "decoded");
    assertThat(VectorQuantizationModel.load(path).bitsPerVector()).isEqualTo(32);
    SqueezeExtensions.register(spark);
    List<Row> asSql =
        codes.selectExpr("decode_codes(codes, '%s')".formatted(path), "decoded").collectAsList();
    assertThat(asSql).allMatch(row -> close(row.getList(0), row.getList(1), 1e-4));
    String here =
        Files.readString(Path.of("src/test/java/io/squeeze/jobs/ml/VectorQuantizationIT.java"));
    int begin = here.indexOf('\n', here.indexOf("// README: begin"));
    String example = here.substring(begin, here.indexOf("// README: end"));
    assertThat(Files.readString(Path.of("README.md")).replaceAll("\\s+", ""))
        .contains(example.replaceAll("\\s+", ""));
  }

  private static boolean close(List<Float> a, List<Float> b, double within) {
    return a.size() == b.size()
        && IntStream.range(0, a.size()).allMatch(j -> Math.abs(a.get(j) - b.get(j)) < within);
  }

  @Test
  void aVectorColumnOfSparkMlWorksAndBadOnesAreRefused() {
    List<Row> rows = new ArrayList<>();
    for (Row row : vectors(100, 12)) {
      double[] vector = Arrays.stream((Float[]) row.get(1)).mapToDouble(v -> v).toArray();
      rows.add(RowFactory.create(row.getInt(0), Vectors.dense(vector)));
    }
    StructType schema =
        new StructType()
            .add("id", DataTypes.IntegerType)
            .add("features", SQLDataTypes.VectorType());
    Dataset<Row> table = spark.createDataFrame(rows, schema);
    assertThat(estimator("vq").fit(table).transform(table).columns())
        .containsExactly("id", "features", "codes");
    assertRefused(() -> estimator("vq").setInputCol("id").fit(table), "The column id is int");
    assertRefused(() -> estimator("vq").setInputCol("no").fit(table), "There is no column no");
    assertRefused(
        () -> estimator("rvq").setMaxInitSamples(0).setQuantizerType("no").fit(table),
        "No quantizer no");
    assertRefused(() -> estimator("fsq").fit(table), "fsq has no codebook");
    assertRefused(() -> estimator("vq").setBottleneckDim(13).fit(table), "have no 13 components");
    assertRefused(
        () -> estimator("vq").setOutputCol("id").transformSchema(schema), "a column id already");
  }

  @Test
  void anybodysTableIsSqueezedAndItsCodesReadBackByAJoin(@TempDir Path folder) throws Exception {
    String input = folder.resolve("table").toString();
    spark.createDataFrame(vectors(600, 24), SCHEMA).repartition(3).write().parquet(input);
    Settings settings =
        Settings.load(
            List.of(
                ConfigFactory.parseString(
                    "quantizer { type = rvq, codebook-size = 32, bottleneck-dim = 8, num-quantizers = 2 }"
                        + ", output.dir = \""
                        + folder
                        + "\", output.experiment-name = fit")));
    VectorTable table = VectorTable.open(Fixture.squeeze(spark), input, "features", "id", BAD_ROWS);
    String checkpoint = new FitVectorsJob(Fixture.squeeze(spark), table, settings).run();
    byte[] bytes = Files.readAllBytes(folder.resolve("fit/last.ckpt"));
    assertThat(new FitVectorsJob(Fixture.squeeze(spark), table, settings).run())
        .isEqualTo(checkpoint);
    assertThat(Files.readAllBytes(folder.resolve("fit/last.ckpt"))).isEqualTo(bytes);
    assertThat(Files.readString(folder.resolve("fit/metrics.jsonl")))
        .contains("train/level_0/codes_used", "train/level_1/entropy_bits");

    VectorSummary summary =
        new EvaluateVectorsJob(Fixture.squeeze(spark), table, checkpoint, "1").run();
    VectorSummary beam =
        new EvaluateVectorsJob(Fixture.squeeze(spark), table, checkpoint, null).run();
    assertThat(beam.error()).isLessThan(summary.error());
    assertThat(summary.cosine()).isBetween(0.9, 1.0);
    assertThat(summary.recall()).isBetween(0.3, 1.0);
    assertThat(summary.bitsPerVector()).isEqualTo(10.0);
    double variance =
        spark
            .read()
            .parquet(input)
            .selectExpr("posexplode(features)")
            .groupBy("pos")
            .agg(var_pop(col("col")).as("of"))
            .agg(avg("of"))
            .head()
            .getDouble(0);
    assertThat(summary.variance()).isCloseTo(variance, withinPercentage(1e-4));
    assertThat(summary.share()).isBetween(0.01, 0.5);
    Map<String, Dataset<Row>> views = new Workspace(spark, folder.toString()).views();
    Row run = views.get("runs").where("evaluation = 'vectors'").head();
    assertThat(run.<Double>getAs("mse")).isEqualTo(beam.error());
    assertThat(run.<Long>getAs("samples")).isEqualTo(600);
    assertThat(run.<String>getAs("quantizer")).isEqualTo("rvq");
    assertThat(views.get("samples").selectExpr("count(DISTINCT sample_id)", "avg(mse)").head())
        .satisfies(
            row -> {
              assertThat(row.getLong(0)).isEqualTo(600);
              assertThat(row.getDouble(1)).isCloseTo(beam.error(), withinPercentage(0.001));
            });

    TrainedQuantizer encoder =
        TrainedQuantizer.open(
            Sessions.storage(spark), folder.resolve("codes").toString(), checkpoint, null);
    Published codes =
        new EncodeVectorsJob(Fixture.squeeze(spark), table, encoder, Coding.ARRAY).run();
    assertThat(codes.read(spark).count()).isEqualTo(600);
    assertThat(
            new EncodeVectorsJob(Fixture.squeeze(spark), table, encoder, Coding.ARRAY).run().path())
        .isEqualTo(codes.path());
    spark.read().parquet(codes.path() + "/codes").createOrReplaceTempView("codes");
    spark.read().parquet(codes.path() + "/codebook").createOrReplaceTempView("codebook");
    List<Row> joined =
        spark
            .sql(
                "SELECT c.sample_id, sum(b.vector[0]) FROM"
                    + " (SELECT sample_id, posexplode(codes) AS (level, code) FROM codes) c"
                    + " JOIN codebook b ON b.level = c.level AND b.code = c.code"
                    + " GROUP BY c.sample_id ORDER BY cast(c.sample_id AS int)")
            .collectAsList();
    VectorQuantizationModel model =
        new VectorQuantizationModel("m", encoder.checkpoint()).setReconstructionCol("decoded");
    List<Row> decoded =
        model
            .transform(spark.read().parquet(input))
            .orderBy("id")
            .selectExpr("decoded[0]")
            .collectAsList();
    for (int i = 0; i < 600; i++) {
      assertThat(joined.get(i).getDouble(1)).isCloseTo(decoded.get(i).getFloat(0), within(1e-4));
    }
    SqueezeExtensions.register(spark);
    List<Row> distances =
        spark
            .sql(
                """
                SELECT code_distance(codes, q, m) AS by_codes,
                       l2_distance(decode_codes(codes, m), q) AS by_vectors,
                       code_distance(codes, cast(q AS array<float>), m) AS of_floats,
                       symmetric_code_distance(codes, codes, m) AS itself
                FROM codes CROSS JOIN (SELECT transform(sequence(1, 24), x -> x % 5 - 2) AS q)
                """
                    .replace(" m)", " '%s')".formatted(codes.path())))
            .collectAsList();
    assertThat(distances).hasSize(600);
    for (Row row : distances) {
      assertThat(row.getDouble(0)).isCloseTo(row.getDouble(1), within(1e-4));
      assertThat(row.getDouble(0)).isEqualTo(row.getDouble(2));
      assertThat(row.getDouble(3)).isCloseTo(0, within(1e-3)); // products in float
    }
    assertRefused(() -> open(input, "name"), "There is no column name");
    assertRefused(() -> open(folder + "/none", "id"), "No table at");
    assertRefused(() -> open("../README.md", "id"), "README.md is not a Parquet file");
  }

  /** The whole way by a rate alone: fit, evaluate, encode, and every use of the codes. */
  @ParameterizedTest
  @ValueSource(strings = {"auto", "scalar", "rvq", "pq"})
  void aRateIsEnoughToKnow(String type, @TempDir Path folder) throws Exception {
    String input = folder.resolve("table").toString();
    spark.createDataFrame(vectors(1200, 24), SCHEMA).repartition(3).write().parquet(input);
    Settings settings =
        Settings.load(
            List.of(
                ConfigFactory.parseString(
                    "quantizer { type = %s, bytes = 4, codebook.kmeans-iterations = 4 }"
                            .formatted(type)
                        + ", output.dir = \""
                        + folder
                        + "\", output.experiment-name = fit")));
    VectorTable table = VectorTable.open(Fixture.squeeze(spark), input, "features", "id", BAD_ROWS);
    String checkpoint = new FitVectorsJob(Fixture.squeeze(spark), table, settings).run();
    byte[] bytes = Files.readAllBytes(folder.resolve("fit/last.ckpt"));
    // The same command again finds what the fit chose.
    new FitVectorsJob(Fixture.squeeze(spark), table, settings).run();
    assertThat(Files.readAllBytes(folder.resolve("fit/last.ckpt"))).isEqualTo(bytes);
    assertThat(Files.readString(folder.resolve("fit/metrics.jsonl")).contains("candidate/scalar"))
        .isEqualTo(type.equals("auto"));

    VectorSummary summary =
        new EvaluateVectorsJob(Fixture.squeeze(spark), table, checkpoint, null).run();
    assertThat(summary.entropyBits()).isBetween(10.0, 32.0);
    assertThat(summary.projectionError()).isBetween(0.0, summary.error());
    assertThat(summary.cosine()).isBetween(0.85, 1.0);

    TrainedQuantizer encoder =
        TrainedQuantizer.open(
            Sessions.storage(spark), folder.resolve("codes").toString(), checkpoint, null);
    assertThat(encoder.usualCodec())
        .isEqualTo(type.equals("scalar") ? Coding.ENTROPY : Coding.ARRAY);
    Published codes =
        new EncodeVectorsJob(Fixture.squeeze(spark), table, encoder, Coding.ENTROPY).run();
    SqueezeExtensions.register(spark);
    codes.read(spark).createOrReplaceTempView("rated");
    spark.read().parquet(input).createOrReplaceTempView("vectors");
    List<Row> rows =
        spark
            .sql(
                """
                SELECT code_distance(codes, features, m) AS by_codes,
                       l2_distance(decode_codes(codes, m), features) AS by_vectors,
                       code_distance(codes, features, m, 2) AS by_two,
                       l2_distance(decode_codes(codes, m, 2), features) AS by_two_vectors,
                       encode_vector(features, m) = codes AS same,
                       code_cosine_similarity(codes, features, m) AS alike,
                       cosine_similarity(decode_codes(codes, m), features) AS alike_vectors,
                       code_cosine_similarity(codes, features, m, 2) AS alike_two,
                       cosine_similarity(decode_codes(codes, m, 2), features) AS alike_two_vectors,
                       code_cosine_similarity(codes, transform(features, x -> 0), m) AS nothing,
                       code_cosine_similarity(codes, transform(features, x -> x * 1e7), m) AS far,
                       code_cosine_similarity(codes, transform(features, x -> x * 1e-7), m) AS near
                FROM rated JOIN vectors ON sample_id = cast(id AS string) LIMIT 200
                """
                    .replace(" m,", " '%s',".formatted(codes.path()))
                    .replace(" m)", " '%s')".formatted(codes.path())))
            .collectAsList();
    assertThat(rows).hasSize(200);
    double all = 0;
    double two = 0;
    for (Row row : rows) {
      assertThat(row.getDouble(0)).isCloseTo(row.getDouble(1), within(2e-3));
      assertThat(row.getDouble(2)).isCloseTo(row.getDouble(3), within(2e-3));
      assertThat(row.getBoolean(4)).isTrue();
      assertThat(row.getDouble(5)).isCloseTo(row.getDouble(6), within(1e-5));
      assertThat(row.getDouble(7)).isCloseTo(row.getDouble(8), within(1e-5));
      assertThat(row.isNullAt(9)).isTrue();
      assertThat(row.getDouble(10)).isCloseTo(row.getDouble(6), within(1e-5));
      assertThat(row.getDouble(11)).isCloseTo(row.getDouble(6), within(1e-5));
      all += row.getDouble(1);
      two += row.getDouble(3);
    }
    assertThat(all).isLessThan(two);
    assertRefused(
        () -> spark.sql("SELECT decode_codes(array(0), '%s', 99)".formatted(codes.path())),
        "the first 99 of them cannot be read");
  }

  private static Published encoded(Path folder, TrainedQuantizer encoder) throws IOException {
    VectorTable table =
        VectorTable.open(
            Fixture.squeeze(spark), folder.resolve("day").toString(), "v", "id", BAD_ROWS);
    return new EncodeVectorsJob(Fixture.squeeze(spark), table, encoder, Coding.PACKED).run();
  }

  private static Map<String, List<Integer>> codes(Published published) {
    Map<String, List<Integer>> codes = new TreeMap<>();
    for (Row row : published.read(spark).collectAsList()) {
      codes.put(row.getAs("sample_id"), row.getList(row.fieldIndex("codes")));
    }
    return codes;
  }

  /** Writes a Parquet file of vectors by id; {@code sign} turns them. */
  private static void day(Path folder, String name, int from, int to, int sign) throws IOException {
    Path written = folder.resolve("written");
    spark
        .createDataFrame(vectors(to, 24).subList(from, to), SCHEMA)
        .selectExpr("id", "transform(features, x -> x * %df) AS v".formatted(sign))
        .coalesce(1)
        .write()
        .parquet(written.toString());
    Files.createDirectories(folder.resolve("day"));
    try (Stream<Path> files = Files.list(written)) {
      Path file = files.filter(f -> f.toString().endsWith(".parquet")).findFirst().orElseThrow();
      Files.move(file, folder.resolve("day").resolve(name), StandardCopyOption.REPLACE_EXISTING);
    }
    FileUtils.deleteDirectory(written.toFile());
  }

  @Test
  void aTableThatGrowsOrChangesBecomesTheNextVersion(@TempDir Path folder) throws Exception {
    Settings settings =
        Settings.load(
            List.of(
                ConfigFactory.parseString(
                    "quantizer { type = pq, codebook-size = 16, bottleneck-dim = 8,"
                        + " num-quantizers = 4 }, output.dir = \""
                        + folder
                        + "\", output.experiment-name = fit")));
    day(folder, "monday.parquet", 0, 200, 1);
    day(folder, "tuesday.parquet", 200, 250, 1);
    VectorTable table =
        VectorTable.open(
            Fixture.squeeze(spark), folder.resolve("day").toString(), "v", "id", BAD_ROWS);
    String checkpoint = new FitVectorsJob(Fixture.squeeze(spark), table, settings).run();
    TrainedQuantizer encoder =
        TrainedQuantizer.open(
            Sessions.storage(spark), folder.resolve("codes").toString(), checkpoint, null);
    Published first = encoded(folder, encoder);
    assertThat(first.path()).endsWith("/codes/v1");
    assertThat(encoded(folder, encoder).path()).endsWith("/codes/v1");
    Map<String, List<Integer>> before = codes(first);
    assertThat(before).hasSize(250);

    // One file more, and one with other vectors under its old name.
    day(folder, "wednesday.parquet", 250, 260, 1);
    day(folder, "tuesday.parquet", 200, 250, -1);
    Published second = encoded(folder, encoder);
    assertThat(second.path()).endsWith("/codes/v2");
    Map<String, List<Integer>> after = codes(second);
    assertThat(after).hasSize(260);
    for (int i = 0; i < 200; i++) {
      assertThat(after.get("" + i)).isEqualTo(before.get("" + i));
    }
    long turned =
        IntStream.range(200, 250)
            .filter(i -> !after.get("" + i).equals(before.get("" + i)))
            .count();
    assertThat(turned).isGreaterThan(45);
    // What came over is what encoding everything gives.
    TrainedQuantizer anew =
        TrainedQuantizer.open(
            Sessions.storage(spark), folder.resolve("anew").toString(), checkpoint, null);
    assertThat(codes(encoded(folder, anew))).isEqualTo(after);

    Files.delete(folder.resolve("day/monday.parquet"));
    Published third = encoded(folder, encoder);
    assertThat(third.path()).endsWith("/codes/v3");
    assertThat(codes(third)).hasSize(60);

    VectorTable now =
        VectorTable.open(
            Fixture.squeeze(spark), folder.resolve("day").toString(), "v", "id", BAD_ROWS);
    assertRefused(
        () -> fit(now, settings), "asked for " + now.path() + ": v by id, 60 rows, files ");
  }

  private static void fit(VectorTable table, Settings settings) {
    try {
      new FitVectorsJob(Fixture.squeeze(spark), table, settings).run();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Scaled, or moved: values of 1,000 spread by 1 leave float32 four decimals. */
  @Test
  void theErrorIsScaledWithTheVectorsAndStaysWhereTheyAreMoved(@TempDir Path folder)
      throws Exception {
    double usual = 0;
    for (String change : List.of("1 * x", "1e-9 * x", "1e18 * x", "1e3 + x")) {
      String scale = change.contains("*") ? change.substring(0, change.indexOf(' ')) : "1";
      Path path = folder.resolve("t" + change.replaceAll("\\W", ""));
      spark
          .createDataFrame(vectors(200, 24), SCHEMA)
          .selectExpr("id", "transform(features, x -> cast(%s AS float)) AS v".formatted(change))
          .write()
          .parquet(path.toString());
      VectorTable table =
          VectorTable.open(Fixture.squeeze(spark), path.toString(), "v", "id", BAD_ROWS);
      Settings settings =
          Settings.load(
              List.of(
                  ConfigFactory.parseString(
                      "quantizer { type = vq, codebook-size = 16, bottleneck-dim = 8 }"
                          + ", output.dir = \""
                          + folder
                          + "\", output.experiment-name = fit"
                          + change.replaceAll("\\W", ""))));
      String checkpoint = new FitVectorsJob(Fixture.squeeze(spark), table, settings).run();
      VectorSummary summary =
          new EvaluateVectorsJob(Fixture.squeeze(spark), table, checkpoint, null).run();
      double relative = summary.error() / Math.pow(Double.parseDouble(scale), 2);
      usual = scale.equals("1") ? relative : usual;
      assertThat(summary.share()).as(change).isBetween(0.05, 0.95);
      assertThat(relative).as(change).isCloseTo(usual, withinPercentage(1));
      assertThat(summary.population()).isEqualTo(200L);
    }
  }

  private static void open(String input, String id) {
    try {
      VectorTable.open(Fixture.squeeze(spark), input, "features", id, BAD_ROWS);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void assertRefused(Runnable action, String sentence) {
    assertThatThrownBy(action::run)
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining(sentence);
  }
}
