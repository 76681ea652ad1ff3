package io.squeeze.jobs.ml;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.expr;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.regexp_extract;
import static org.apache.spark.sql.functions.struct;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.Command;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.Walk;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.spark.Sessions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.classification.LogisticRegression;
import org.apache.spark.ml.feature.StringIndexer;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The stages that read photos, in a plain session of Spark. */
class PhotoStagesIT {
  private static final String ID = "sample_id";

  private static SparkSession spark;
  private static Walk walk;
  private static Dataset<Row> photos;

  @BeforeAll
  static void walk() {
    spark = Shared.session();
    walk = Shared.walk();
    photos =
        spark
            .read()
            .format("binaryFile")
            .load(walk.fixture().photos() + "/images")
            .withColumn(ID, regexp_extract(col("path"), "([^/]+)\\.jpg$", 1));
  }

  private static ImageEmbedding embedding() {
    return new ImageEmbedding().setModel(walk.fixture().backbone().toString());
  }

  private static Map<String, List<Float>> vectors(Dataset<Row> rows) {
    Map<String, List<Float>> vectors = new TreeMap<>();
    for (Row row : rows.select(ID, "embedding").collectAsList()) {
      vectors.put(row.getString(0), row.isNullAt(1) ? null : row.getList(1));
    }
    return vectors;
  }

  /** The mean of each photo's grid, as extraction stored it. */
  private static Map<String, float[]> means() throws IOException {
    Map<String, float[]> means = new TreeMap<>();
    for (Row row :
        Versions.embeddings(Sessions.storage(spark), walk.embeddings())
            .read(spark)
            .select(ID, "embedding", "channels")
            .collectAsList()) {
      FloatBuffer grid =
          ByteBuffer.wrap(row.<byte[]>getAs(1)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
      float[] mean = new float[row.getInt(2)];
      int positions = grid.remaining() / mean.length;
      for (int i = 0; i < grid.remaining(); i++) {
        mean[i / positions] += grid.get(i) / positions;
      }
      means.put(row.getString(0), mean);
    }
    return means;
  }

  @Test
  void vectorsAreThoseOfExtractionWhateverColumnHoldsThePhotos() throws IOException {
    Map<String, float[]> means = means();
    Map<String, List<Float>> vectors = vectors(embedding().transform(photos.repartition(3)));
    assertThat(vectors.keySet()).isEqualTo(means.keySet());
    means.forEach(
        (id, mean) -> {
          for (int c = 0; c < mean.length; c++) {
            assertThat(vectors.get(id).get(c)).as(id).isCloseTo(mean[c], within(1e-4f));
          }
        });
    Dataset<Row> paths = embedding().setInputCol("path").transform(photos.drop("content"));
    assertSame(vectors, vectors(paths));
    Dataset<Row> files =
        photos.select(
            col(ID), struct(expr("CAST(NULL AS BINARY)").as("bytes"), col("path")).as("file"));
    assertSame(vectors, vectors(embedding().setInputCol("file").transform(files)));
    Dataset<Row> images =
        spark
            .read()
            .format("image")
            .load(walk.fixture().photos() + "/images")
            .withColumn(ID, regexp_extract(col("image.origin"), "([^/]+)\\.jpg$", 1));
    assertSame(vectors, vectors(embedding().setInputCol("image").transform(images)));
  }

  private static void assertSame(Map<String, List<Float>> one, Map<String, List<Float>> other) {
    assertThat(other.keySet()).isEqualTo(one.keySet());
    one.forEach(
        (id, vector) -> {
          for (int c = 0; c < vector.size(); c++) {
            assertThat(other.get(id).get(c)).as(id).isCloseTo(vector.get(c), within(1e-4f));
          }
        });
  }

  private static Dataset<Row> embedded(String folder, String backbone) {
    // README: embedding
    Dataset<Row> photos = spark.read().format("binaryFile").load(folder); // path, content, …
    Dataset<Row> vectors =
        new ImageEmbedding()
            .setModel(backbone) // a TorchScript file, or vit, deeplab with setWeights
            .setPool("mean") // one vector a photo: array<float>
            .setOnError("column") // embedding_error says why a photo has no vector
            .transform(photos);
    // README: end
    return vectors;
  }

  private static Dataset<Row> masked(String checkpoint) {
    // README: masks
    Dataset<Row> masks =
        new Segmentation()
            .setCheckpoint(checkpoint) // such as outputs/pets_vq_512/last.ckpt
            .setSize("original")
            .transform(photos); // segmentation: mask, mask_height, mask_width, shares, …
    // README: end
    return masks;
  }

  private static Segmentation trained(String embeddings, String outputs) {
    // README: training
    Dataset<Row> some = spark.read().parquet(embeddings + "/v1").where("species = 'cat'");
    Segmentation model =
        new SegmentationTraining()
            .setEmbeddings(embeddings) // the rows are like these: classes, backbone, crop
            .setOutputDir(outputs)
            .setExperimentName("cats")
            .setQuantizerType("vq")
            .setEpochs(10)
            .setSettings("train.schedule = cosine") // any setting of the commands
            .fit(some);
    // README: end
    return model;
  }

  @Test
  void theExamplesOfTheGuideRun(@TempDir Path outputs) throws IOException {
    String folder = walk.fixture().photos() + "/images";
    Dataset<Row> vectors = embedded(folder, walk.fixture().backbone().toString());
    assertThat(vectors.where("size(embedding) = 24").count()).isEqualTo(Walk.PHOTOS);
    assertThat(masked(walk.checkpoint()).where("segmentation.mask IS NULL").count()).isZero();
    Segmentation cats = trained(walk.embeddings(), outputs.toString());
    assertThat(cats.getOrDefault(cats.checkpoint())).endsWith("cats/last.ckpt");
    String here = Files.readString(Path.of("src/test/java/io/squeeze/jobs/ml/PhotoStagesIT.java"));
    String guide = Files.readString(Path.of("README.md")).replaceAll("\\s+", "");
    for (String name : List.of("embedding", "masks", "training")) {
      int begin = here.indexOf('\n', here.indexOf("// README: " + name));
      String example = here.substring(begin, here.indexOf("// README: end", begin));
      assertThat(guide).contains(example.replaceAll("\\s+", ""));
    }
  }

  @Test
  void aBadPhotoFailsOrIsNullOrSaysWhy() {
    Dataset<Row> mixed =
        photos
            .limit(3)
            .select(col(ID), col("content"))
            .union(spark.sql("SELECT 'broken', CAST('no photo' AS BINARY)"))
            .union(spark.sql("SELECT 'absent', CAST(NULL AS BINARY)"))
            .coalesce(1);
    assertThatThrownBy(() -> embedding().transform(mixed).collectAsList())
        .hasStackTraceContaining("A photo cannot be used (NOT_AN_IMAGE")
        .hasStackTraceContaining("sample_id = broken");
    Map<String, List<Float>> nulls = vectors(embedding().setOnError("null").transform(mixed));
    assertThat(nulls).hasSize(5);
    assertThat(nulls.get("broken")).isNull();
    assertThat(nulls.get("absent")).isNull();
    assertThat(nulls.values().stream().filter(v -> v != null)).hasSize(3);
    Dataset<Row> said = embedding().setOnError("column").transform(mixed);
    assertThat(said.columns()).containsExactly(ID, "content", "embedding", "embedding_error");
    assertThat(
            said
                .where("embedding_error IS NOT NULL")
                .orderBy(ID)
                .select("embedding_error")
                .collectAsList()
                .stream()
                .map(row -> row.getString(0)))
        .containsExactly(
            "MISSING: the photo is null",
            "NOT_AN_IMAGE: the content is not JPEG, PNG, GIF, BMP, WebP or TIFF");
  }

  @Test
  void whatCannotBeIsSaidBeforeAnyPhotoIsRead() {
    assertThatThrownBy(() -> embedding().setInputCol("photo").transformSchema(photos.schema()))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("There is no column photo among");
    assertThatThrownBy(() -> embedding().setInputCol("length").transformSchema(photos.schema()))
        .hasMessageContaining("a photo is bytes, a path, a struct of bytes and path");
    assertThatThrownBy(() -> embedding().setOutputCol("path").transformSchema(photos.schema()))
        .hasMessageContaining("There is a column path already");
    assertThatThrownBy(() -> embedding().setOnError("skip").transform(photos))
        .hasMessageContaining("onError is skip, not one of fail, null, column");
    assertThatThrownBy(() -> embedding().setPool("cls").transform(photos))
        .hasMessageContaining("--pool cls takes the first token");
    assertThatThrownBy(() -> new Segmentation().transform(photos))
        .hasMessageContaining("There is no checkpoint");
  }

  @Test
  void aPipelineOfEmbeddingsCodesAndAClassifierIsSavedAndLoaded(@TempDir Path folder)
      throws IOException {
    Dataset<Row> labelled =
        photos.withColumn("breed", regexp_extract(col(ID), "^(.*)_[0-9]+$", 1)).cache();
    Pipeline pipeline =
        new Pipeline()
            .setStages(
                new PipelineStage[] {
                  embedding().setOutputType("vector"),
                  new VectorQuantization()
                      .setInputCol("embedding")
                      .setQuantizerType("vq")
                      .setCodebookSize(8)
                      .setBottleneckDim(4),
                  new StringIndexer().setInputCol("breed").setOutputCol("label"),
                  new LogisticRegression().setFeaturesCol("embedding").setMaxIter(10)
                });
    pipeline.write().save(folder.resolve("pipeline").toString());
    PipelineModel fitted = Pipeline.load(folder.resolve("pipeline").toString()).fit(labelled);
    fitted.write().save(folder.resolve("model").toString());
    PipelineModel loaded = PipelineModel.load(folder.resolve("model").toString());
    List<Row> rows = rows(fitted.transform(labelled));
    assertThat(rows).hasSize(Walk.PHOTOS);
    assertThat(rows(loaded.transform(labelled))).isEqualTo(rows);
    assertThat(rows.get(0).<Integer>getList(1).get(0)).isBetween(0, 7);
  }

  private static List<Row> rows(Dataset<Row> transformed) {
    return transformed.orderBy(ID).select(ID, "codes", "prediction").collectAsList();
  }

  @Test
  void masksAreThoseOfPredictionFromPhotosGridsAndCodes() throws IOException {
    Segmentation stage = new Segmentation().setCheckpoint(walk.checkpoint());
    Map<String, Row> masks = masks(stage.transform(photos));
    assertThat(masks).hasSize(Walk.PHOTOS);
    Row one = masks.values().iterator().next();
    assertThat(one.<byte[]>getAs(Columns.MASK)).hasSize(224 * 224);
    assertThat(one.<Double>getList(3).stream().mapToDouble(share -> share).sum())
        .isCloseTo(1, within(1e-9));
    Dataset<Row> grids = embedding().setPool("none").setOutputCol("grid").transform(photos);
    Dataset<Row> codes =
        Versions.codes(Sessions.storage(spark), walk.codes("array"), "--codes").read(spark);
    for (Dataset<Row> other :
        List.of(
            stage.copy(new ParamMap()).setInputCol("grid").transform(grids),
            new Segmentation()
                .setCheckpoint(walk.checkpoint())
                .setInputCol("codes")
                .transform(codes.withColumn("content", lit(1))))) {
      Map<String, Row> others = masks(other);
      assertThat(others.keySet()).isEqualTo(masks.keySet());
      long pixels = 0;
      for (Map.Entry<String, Row> entry : masks.entrySet()) {
        pixels += differing(entry.getValue(), others.get(entry.getKey()));
      }
      // Of grids that came in other batches, whose last bits may differ.
      assertThat(pixels).isLessThan(Walk.PHOTOS * 224L * 224 / 1000);
    }
    Row large = masks(stage.setSize("original").transform(photos)).values().iterator().next();
    assertThat(large.<byte[]>getAs(Columns.MASK))
        .hasSize(large.<Integer>getAs(Columns.MASK_HEIGHT) * large.<Integer>getAs("mask_width"));
  }

  private static Map<String, Row> masks(Dataset<Row> rows) {
    Map<String, Row> masks = new TreeMap<>();
    for (Row row : rows.select(col(ID), col("segmentation")).collectAsList()) {
      masks.put(row.getString(0), row.getStruct(1));
    }
    return masks;
  }

  private static int differing(Row one, Row other) {
    byte[] a = one.getAs(Columns.MASK);
    byte[] b = other.getAs(Columns.MASK);
    int differ = 0;
    for (int i = 0; i < a.length; i++) {
      differ += a[i] == b[i] ? 0 : 1;
    }
    return differ;
  }

  @Test
  void aTrainingOfADataFrameGivesTheBytesOfTheCommand(@TempDir Path folder) throws IOException {
    Dataset<Row> rows = spark.read().parquet(walk.embeddings() + "/v1").repartition(5);
    SegmentationTraining training =
        new SegmentationTraining()
            .setEmbeddings(walk.embeddings())
            .setOutputDir(folder.toString())
            .setExperimentName("fit")
            .setQuantizerType("rvq")
            .setNumQuantizers(3)
            .setCodebookSize(12)
            .setEpochs(2)
            .setLr(1e-3)
            .setSettings("track.tensorboard = false");
    training.write().save(folder.resolve("estimator").toString());
    Segmentation model =
        SegmentationTraining.load(folder.resolve("estimator").toString()).fit(rows);
    Command command =
        Command.run(
            "train",
            "--embeddings",
            walk.embeddings(),
            "--output_dir",
            folder.toString(),
            "--experiment_name",
            "command",
            "--quantizer_type",
            "rvq",
            "--num_quantizers",
            "3",
            "--codebook_size",
            "12",
            "--epochs",
            "2",
            "--lr",
            "0.001");
    assertThat(command.code()).as(command.err()).isZero();
    assertThat(Files.readAllBytes(folder.resolve("fit/last.ckpt")))
        .isEqualTo(Files.readAllBytes(folder.resolve("command/last.ckpt")));
    model.write().save(folder.resolve("model").toString());
    Map<String, Row> masks =
        masks(Segmentation.load(folder.resolve("model").toString()).transform(rows));
    Map<String, Row> expected =
        masks(
            new Segmentation()
                .setCheckpoint(folder.resolve("command/last.ckpt").toString())
                .transform(photos));
    assertThat(masks.keySet()).isEqualTo(expected.keySet());
    long pixels = 0;
    for (Map.Entry<String, Row> entry : masks.entrySet()) {
      pixels += differing(entry.getValue(), expected.get(entry.getKey()));
    }
    assertThat(pixels).isLessThan(Walk.PHOTOS * 224L * 224 / 1000);
    assertThatThrownBy(() -> training.fit(rows.where("split = 'trainval'")))
        .hasMessageContaining("Other embeddings lie in");
    assertThatThrownBy(() -> training.fit(rows.withColumn("split", lit("mine"))))
        .hasMessageContaining("36 rows are of none of the splits [trainval, test]");
    assertThatThrownBy(() -> training.fit(rows.union(rows)))
        .hasMessageContaining("36 ids name several rows");
    assertThatThrownBy(() -> training.fit(rows.withColumn("mask", lit(new byte[4]))))
        .hasMessageContaining("36 rows have another grid or mask");
    assertThatThrownBy(() -> training.fit(rows.drop("mask")))
        .hasMessageContaining("The rows lack [mask]");
  }
}
