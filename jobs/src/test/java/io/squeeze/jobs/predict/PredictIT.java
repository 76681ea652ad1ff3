package io.squeeze.jobs.predict;

import static org.apache.spark.sql.functions.col;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.squeeze.jobs.Command;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.Walk;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.query.Workspace;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.sql.SqueezeExtensions;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.metric.ConfusionMatrix;
import java.awt.Color;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.apache.commons.io.FileUtils;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PredictIT {
  @TempDir private static Path folder;
  private static SparkSession spark;
  private static HadoopStorage storage;
  private static Walk walk;

  @BeforeAll
  static void walk() {
    spark = Shared.session();
    storage = Sessions.storage(spark);
    walk = Shared.walk();
  }

  private static String at(String name) {
    return folder.resolve(name).toString();
  }

  private static Command predict(String out, String... more) {
    List<String> words =
        new ArrayList<>(List.of("predict", "--checkpoint", walk.checkpoint(), "--out", at(out)));
    words.addAll(List.of(more));
    return Command.run(words.toArray(String[]::new));
  }

  private static Map<String, byte[]> masks(String out) throws IOException {
    Published published = new Versions(storage, at(out)).current().orElseThrow();
    Map<String, byte[]> masks = new TreeMap<>();
    for (Row row : published.read(spark).select(Columns.SAMPLE_ID, Columns.MASK).collectAsList()) {
      masks.put(row.getString(0), row.getAs(1));
    }
    return masks;
  }

  @Test
  void masksAreThoseOfEvaluationFromPhotosEmbeddingsAndCodes() throws IOException {
    String photos = walk.fixture().photos().toString();
    assertThat(predict("embeddings", "--embeddings", walk.embeddings()).code()).isZero();
    assertThat(predict("codes", "--codes", walk.codes("entropy")).code()).isZero();
    Command read = predict("photos", "--dataset", "oxford_pet", "--data_path", photos);
    assertThat(read.code()).as(read.err()).isZero();
    Map<String, byte[]> masks = masks("embeddings");
    assertThat(masks).hasSize(Walk.PHOTOS);
    for (String other : List.of("codes", "photos")) {
      Map<String, byte[]> others = masks(other);
      assertThat(others.keySet()).isEqualTo(masks.keySet());
      masks.forEach((id, mask) -> assertThat(others.get(id)).as(other + id).isEqualTo(mask));
    }
    Published embeddings = Versions.embeddings(storage, walk.embeddings());
    Map<String, byte[]> truth = new TreeMap<>();
    for (Row row : embeddings.read(spark, "test").collectAsList()) {
      truth.put(row.getAs(Columns.SAMPLE_ID), row.getAs(Columns.MASK));
    }
    String table =
        Path.of(walk.checkpoint()).resolveSibling("evaluation/test/per_sample.parquet").toString();
    List<Row> scored =
        spark.read().parquet(table).select(Columns.SAMPLE_ID, "confusion").collectAsList();
    assertThat(scored).hasSize(12);
    for (Row row : scored) {
      ConfusionMatrix own =
          ConfusionMatrix.of(3, truth.get(row.getString(0)), masks.get(row.getString(0)));
      assertThat(row.<Long>getList(1)).as(row.getString(0)).isEqualTo(list(own.counts()));
    }
  }

  private static List<Long> list(long[] counts) {
    List<Long> list = new ArrayList<>();
    for (long count : counts) {
      list.add(count);
    }
    return list;
  }

  @Test
  void aFolderOfPhotosBecomesMasksOfTheirOwnSize() throws IOException {
    Path photos = Files.createDirectories(folder.resolve("in/more photos")).getParent();
    photo(photos.resolve("wide.png"), 90, 40);
    photo(photos.resolve("more photos/tall #1.jpg"), 50, 75);
    photo(photos.resolve("._wide.png"), 10, 10);
    Files.createDirectories(photos.resolve("_hidden"));
    photo(photos.resolve("_hidden/no.png"), 10, 10);
    Files.writeString(photos.resolve("notes.txt"), "no photo");
    Files.writeString(photos.resolve("broken.png"), "no photo");
    String[] asked = {
      "--data_path", photos.toString(), "--size", "original", "--png", "--max_bad_fraction", "0.5"
    };
    Command first = predict("sized", asked);
    assertThat(first.code()).as(first.err()).isZero();
    assertThat(first.out() + first.err()).contains("lie outside the crop on average");
    Published published = new Versions(storage, at("sized")).current().orElseThrow();
    assertThat(published.manifest().rejected()).isEqualTo(1);
    List<Row> rows =
        published
            .read(spark)
            .orderBy(Columns.SAMPLE_ID)
            .select("sample_id", "mask_width", "mask_height", "outside_share", "confidence", "mask")
            .collectAsList();
    assertThat(rows.stream().map(row -> row.getString(0)))
        .containsExactly("more photos/tall #1.jpg", "wide.png");
    assertThat(rows.get(0).getInt(1)).isEqualTo(50);
    assertThat(rows.get(0).getDouble(3)).isCloseTo(1 / 3.0, within(0.03));
    assertThat(rows.get(1).getDouble(4)).isBetween(1 / 3.0, 1.0);
    byte[] labels = rows.get(1).getAs(5);
    assertThat(labels).hasSize(90 * 40);
    assertThat(labels[0]).isEqualTo((byte) 255);
    assertThat(labels[20 * 90 + 45] & 0xFF).isLessThan(3);

    BufferedImage picture = ImageIO.read(folder.resolve("sized/png/v1/wide.png.png").toFile());
    assertThat(picture.getColorModel()).isInstanceOf(IndexColorModel.class);
    assertThat(picture.getRaster().getSample(0, 0, 0)).isEqualTo(255);
    int label = picture.getRaster().getSample(45, 20, 0);
    assertThat(label).isEqualTo(labels[20 * 90 + 45] & 0xFF);
    assertThat(picture.getRGB(45, 20) & 0xFFFFFF)
        .isEqualTo(published.manifest().palette().get(label));
    assertThat(folder.resolve("sized/png/v1/more photos/tall %231.jpg.png")).exists();

    assertThat(predict("sized", asked).err()).contains("There already");
    photo(photos.resolve("new.png"), 60, 60);
    Command grown = predict("sized", asked);
    assertThat(grown.code()).as(grown.err()).isZero();
    assertThat(masks("sized")).hasSize(3).containsKey("new.png");
    assertThat(folder.resolve("sized/png/v2/new.png.png")).exists();
  }

  private static void photo(Path path, int width, int height) throws IOException {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        image.setRGB(x, y, new Color(x * 255 / width, y * 255 / height, (x ^ y) & 0xFF).getRGB());
      }
    }
    String name = path.toString();
    ImageIO.write(image, name.substring(name.lastIndexOf('.') + 1), path.toFile());
  }

  @Test
  void picturesOfDeletedMasksAreReplacedAndOutIsNeverAmongThePhotos() throws IOException {
    Path photos = Files.createDirectories(folder.resolve("again"));
    photo(photos.resolve("a".repeat(120) + "%".repeat(60) + ".png"), 60, 30);
    String[] asked = {"--data_path", photos.toString(), "--png"};
    assertThat(predict("replaced", asked).code()).isZero();
    FileUtils.deleteDirectory(folder.resolve("replaced/v1").toFile());
    Command sized = predict("replaced", with(asked, "--size", "original"));
    assertThat(sized.code()).as(sized.err()).isZero();
    try (Stream<Path> pictures = Files.list(folder.resolve("replaced/png/v1"))) {
      Path only = pictures.filter(path -> path.toString().endsWith(".png")).findAny().orElseThrow();
      assertThat(ImageIO.read(only.toFile()).getWidth()).isEqualTo(60);
      assertThat(only.getFileName().toString().length()).isLessThan(255);
    }
    Command inside = predict("again/masks", asked);
    assertThat(inside.lastLine()).contains("lies in the folder of the photos");
  }

  @Test
  void aRunKeepsHowItsPhotosWereRead() throws IOException {
    Path run = Path.of(walk.checkpoint()).getParent();
    assertThat(Files.readString(run.resolve("photos.json"))).contains("\"size\"");
    Path alone = Files.createDirectories(folder.resolve("alone_run"));
    Files.copy(Path.of(walk.checkpoint()), alone.resolve("last.ckpt"));
    Command lost =
        Command.run(
            "predict",
            "--checkpoint",
            alone.resolve("last.ckpt").toString(),
            "--data_path",
            walk.fixture().photos().toString(),
            "--out",
            at("lost"));
    assertThat(lost.code()).isEqualTo(3);
    assertThat(lost.lastLine()).contains("there is no photos.json beside it");
  }

  @Test
  void windowsStayWithTheRun() throws IOException {
    String photos = walk.fixture().photos().toString();
    String backbone = walk.fixture().backbone().toString();
    String[] source = {"--model", backbone, "--data_path", photos, "--embeddings", at("windowed")};
    Command trained =
        Command.run(
            with(
                with(new String[] {"baseline", "--epochs", "1", "--windows", "128"}, source),
                "--stride",
                "70",
                "--output_dir",
                at("windowed_runs"),
                "--experiment_name",
                "w"));
    assertThat(trained.code()).as(trained.err()).isZero();
    assertThat(trained.err())
        .contains(
            "9 windows of 128 pixels for each photo, every 64 pixels"
                + " (70 is no whole number of the grid's cells of 16)");
    String checkpoint = at("windowed_runs/w/last.ckpt");
    String[] words = {"predict", "--checkpoint", checkpoint, "--out"};
    assertThat(Command.run(with(words, at("w_emb"), "--embeddings", at("windowed"))).code())
        .isZero();
    assertThat(
            Command.run(
                    with(words, at("w_photos"), "--data_path", photos, "--dataset", "oxford_pet"))
                .code())
        .isZero();
    Map<String, byte[]> expected = masks("w_emb");
    Map<String, byte[]> found = masks("w_photos");
    assertThat(found.keySet()).containsAll(expected.keySet());
    expected.forEach((id, mask) -> assertThat(found.get(id)).as(id).isEqualTo(mask));
    Command exported = Command.run("export", "--checkpoint", checkpoint, "--out", at("windows.pt"));
    assertThat(exported.code()).as(exported.err()).isZero();
    Command evaluated =
        Command.run(
            "evaluate",
            "--checkpoint",
            checkpoint,
            "--baseline_checkpoint",
            walk.baseline(),
            "--split",
            "test");
    assertThat(evaluated.code()).as(evaluated.err()).isZero();
    assertThat(evaluated.err())
        .contains(
            "prepared in another way",
            "(image.stride: is unset, asked for 70; image.windows: is unset, asked for 128)");
    Command again =
        Command.run(
            with(
                new String[] {"train", "--embeddings", at("windowed"), "--windows", "64"},
                "--epochs",
                "1",
                "--output_dir",
                at("windowed_runs"),
                "--experiment_name",
                "again"));
    assertThat(again.err())
        .contains("which is there already", "(image.windows: is 128, asked for 64)");
    Command whole = Command.run(with(new String[] {"extract"}, source));
    assertThat(whole.code()).isEqualTo(3);
    assertThat(whole.lastLine()).contains("image.windows", "128", "none");
  }

  @Test
  void anExportReplacesAnExportAndNothingElse() throws IOException {
    String[] words = {"export", "--checkpoint", walk.checkpoint(), "--out"};
    Command first = Command.run(with(words, at("served/model.pt")));
    assertThat(first.code()).as(first.err()).isZero();
    assertThat(first.err()).contains("100.00 % of the codes equal");
    assertThat(Command.run(with(words, at("served/model.pt"))).code()).isZero();
    Files.writeString(folder.resolve("served/notes.json"), "{}");
    Command other = Command.run(with(words, at("served/notes.pt")));
    assertThat(other.code()).isEqualTo(3);
    assertThat(other.lastLine()).contains("There is something else at");
    assertThat(Command.run(with(words, walk.checkpoint())).code()).isEqualTo(2);
  }

  @Test
  void whatCannotBePredictedIsSaid() {
    assertThat(predict("none").code()).isEqualTo(2);
    Command both = predict("none", "--codes", walk.codes("array"), "--embeddings", "e");
    assertThat(both.lastLine()).contains("predict takes one of");
    Command split = predict("none", "--embeddings", walk.embeddings(), "--split", "dev");
    assertThat(split.lastLine()).contains("has the splits [trainval, test], not dev");
    Command other =
        Command.run(
            "predict",
            "--checkpoint",
            walk.baseline(),
            "--codes",
            walk.codes("array"),
            "--out",
            at("none"));
    assertThat(other.code()).isEqualTo(4);
    assertThat(other.lastLine()).contains("was encoded with a checkpoint of SHA-256");
    Command headless =
        Command.run(
            "predict",
            "--checkpoint",
            walk.codes("array") + "/v1/_quantizer.ckpt",
            "--codes",
            walk.codes("array"),
            "--out",
            at("none"));
    assertThat(headless.code()).isEqualTo(3);
    assertThat(headless.lastLine()).contains("has no segmentation head");
    Command given = predict("none", "--embeddings", walk.embeddings(), "--model", "vit");
    assertThat(given.lastLine()).contains("--model is for photos, and --embeddings reads none");
    Command pooled =
        predict("none", "--data_path", walk.fixture().photos().toString(), "--pool", "mean");
    assertThat(pooled.lastLine()).contains("extract.pool (--pool) is for embeddings");
  }

  @Test
  void anIdNeverLeavesTheFolderOfPictures() {
    assertThat(MaskPictures.fileName("../../etc/x")).isEqualTo("%%2E%2E/%%2E%2E/etc/x.png");
    assertThat(MaskPictures.fileName("/a//b")).isEqualTo("%/a/%/b.png");
    assertThat(MaskPictures.fileName("a:b%é")).isEqualTo("a%3Ab%25é.png");
  }

  @Test
  void aPhotoIsOneVectorBesideItsGridOrWithoutIt() throws IOException {
    String photos = walk.fixture().photos().toString();
    String[] words = {
      "extract",
      "--model",
      walk.fixture().backbone().toString(),
      "--data_path",
      photos,
      "--pool",
      "mean",
      "--embeddings"
    };
    assertThat(Command.run(with(words, at("beside"))).code()).isZero();
    assertThat(Command.run(with(words, at("alone"), "--pooled_only")).code()).isZero();
    Published beside = Versions.embeddings(storage, at("beside"));
    Published alone = new Versions(storage, at("alone")).current().orElseThrow();
    for (Row row : beside.read(spark).select("embedding", "pooled", "channels").collectAsList()) {
      FloatBuffer grid =
          ByteBuffer.wrap(row.<byte[]>getAs(0)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
      int positions = grid.remaining() / row.getInt(2);
      double sum = 0;
      for (int i = 0; i < positions; i++) {
        sum += grid.get(positions + i);
      }
      assertThat(row.<Float>getList(1).get(1)).isCloseTo((float) (sum / positions), within(1e-5f));
    }
    List<Row> pooled =
        alone.read(spark).orderBy("sample_id").select("sample_id", "pooled").collectAsList();
    assertThat(pooled).hasSize(Walk.PHOTOS);
    assertThat(pooled)
        .isEqualTo(
            beside.read(spark).orderBy("sample_id").select("sample_id", "pooled").collectAsList());
    assertThat(alone.read(spark).columns()).doesNotContain("embedding", "mask");
    SqueezeExtensions.register(spark);
    Map<String, Dataset<Row>> views = new Workspace(spark, at("alone")).views();
    assertThat(views.get("embeddings").count()).isEqualTo(Walk.PHOTOS);
    assertThat(views.get("patches").isEmpty()).isTrue();
    Command trained =
        Command.run("baseline", "--embeddings", at("alone"), "--output_dir", at("outputs"));
    assertThat(trained.code()).isEqualTo(4);
    assertThat(trained.lastLine()).contains("holds pooled embeddings, no embeddings");
    Command fitted =
        Command.run(
            "train",
            "--input",
            at("alone"),
            "--vector_col",
            "pooled",
            "--id_col",
            "sample_id",
            "--bytes",
            "2",
            "--output_dir",
            at("outputs"));
    assertThat(fitted.code()).as(fitted.err()).isZero();
    assertThat(spark.read().parquet(alone.path()).where(col("pooled").isNull()).count()).isZero();
  }

  private static String[] with(String[] words, String... more) {
    List<String> all = new ArrayList<>(List.of(words));
    all.addAll(List.of(more));
    return all.toArray(String[]::new);
  }
}
