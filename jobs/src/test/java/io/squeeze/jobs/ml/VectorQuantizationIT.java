package io.squeeze.jobs.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.encode.EncodeVectorsJob;
import io.squeeze.jobs.evaluate.EvaluateVectorsJob;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.train.FitVectorsJob;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
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

class VectorQuantizationIT {
  private static final StructType SCHEMA =
      new StructType()
          .add("id", DataTypes.IntegerType)
          .add("features", DataTypes.createArrayType(DataTypes.FloatType, false));
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
            .fit(table);
    Dataset<Row> codes =
        model.setReconstructionCol("decoded").transform(table); // adds codes, decoded
    model.write().overwrite().save(path);
    // README: end
    assertThat(codes.columns()).containsExactly("id", "features", "codes", "decoded");
    assertThat(VectorQuantizationModel.load(path).bitsPerVector()).isEqualTo(32);
    String here =
        Files.readString(Path.of("src/test/java/io/squeeze/jobs/ml/VectorQuantizationIT.java"));
    int begin = here.indexOf('\n', here.indexOf("// README: begin"));
    String example = here.substring(begin, here.indexOf("// README: end"));
    assertThat(Files.readString(Path.of("README.md")).replaceAll("\\s+", ""))
        .contains(example.replaceAll("\\s+", ""));
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
    VectorTable table = VectorTable.open(Fixture.squeeze(spark), input, "features", "id");
    String checkpoint = new FitVectorsJob(Fixture.squeeze(spark), table, settings).run();
    byte[] bytes = Files.readAllBytes(folder.resolve("fit/last.ckpt"));
    assertThat(new FitVectorsJob(Fixture.squeeze(spark), table, settings).run())
        .isEqualTo(checkpoint);
    assertThat(Files.readAllBytes(folder.resolve("fit/last.ckpt"))).isEqualTo(bytes);
    assertThat(Files.readString(folder.resolve("fit/metrics.jsonl")))
        .contains("train/level_0/codes_used", "train/level_1/entropy_bits");

    Map<String, Object> summary =
        new EvaluateVectorsJob(Fixture.squeeze(spark), table, checkpoint, null).run();
    Map<String, Object> beam =
        new EvaluateVectorsJob(Fixture.squeeze(spark), table, checkpoint, "8").run();
    assertThat((double) beam.get("mse")).isLessThan((double) summary.get("mse"));
    assertThat((double) summary.get("cosine_similarity")).isBetween(0.9, 1.0);
    assertThat((double) summary.get("recall_at_10")).isBetween(0.3, 1.0);
    assertThat(summary.get("bits_per_vector")).isEqualTo(10.0);

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
    assertRefused(() -> open(input, "name"), "There is no column name");
    assertRefused(() -> open(folder + "/none", "id"), "No table at");
    assertRefused(() -> open("../README.md", "id"), "README.md is no Parquet");
  }

  private static void open(String input, String id) {
    try {
      VectorTable.open(Fixture.squeeze(spark), input, "features", id);
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
