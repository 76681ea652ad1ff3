package io.squeeze.jobs.extract;

import static org.apache.spark.sql.functions.col;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.model.SampleDrawing;
import io.squeeze.jobs.model.TrainedModels;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.train.TrainJob;
import io.squeeze.report.Picture;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Data sets that a file declares give the rows that the same photos give as Oxford-IIIT Pet. */
@Timeout(120)
class DeclaredIT {
  private static final String CLASSES = "classes = [pet, background, border], first-label = 1\n";

  @TempDir static Path folder;
  private static Fixture fixture;
  private static SparkSession spark;
  private static Published read;
  private static List<String> expected;

  @BeforeAll
  static void extract() throws IOException {
    fixture = new Fixture(folder, 24);
    spark = Shared.session();
    read = new ExtractJob(Fixture.squeeze(spark), fixture.settings("pets", "")).run();
    expected = rows(read);
  }

  private static List<String> rows(Published published) {
    return published
        .read(spark)
        .selectExpr("split", "sample_id", "sha2(embedding, 256)", "sha2(mask, 256)")
        .orderBy("split", "sample_id")
        .collectAsList()
        .stream()
        .map(Row::mkString)
        .toList();
  }

  /** What the backbone made of each photo. */
  private static Map<String, String> digests(Published published) {
    Map<String, String> digests = new HashMap<>();
    published
        .read(spark)
        .selectExpr("sample_id", "sha2(embedding, 256)")
        .collectAsList()
        .forEach(row -> digests.put(row.getString(0), row.getString(1)));
    return digests;
  }

  private static Settings settings(String name, String declaration) throws IOException {
    Path file = folder.resolve(name + ".conf");
    Files.writeString(file, CLASSES + declaration);
    return fixture.settings(name, "data.dataset = \"" + file + "\"");
  }

  @Test
  void foldersWithLists() throws IOException {
    String declaration =
        """
        images = "images/{id}.jpg"
        masks = "annotations/trimaps/{id}.png"
        splits { trainval = "annotations/trainval.txt", test = "annotations/test.txt" }
        """;
    Settings settings = settings("lists", declaration);
    Published published = new ExtractJob(Fixture.squeeze(spark), settings).run();
    assertThat(rows(published)).isEqualTo(expected);
    assertThat(published.manifest().classes()).containsExactly("pet", "background", "border");
    assertThat(TrainJob.run(Fixture.squeeze(spark), settings)).endsWith("last.ckpt");

    Settings other = settings("lists", declaration + "labels { 3 = ignore }");
    assertThatThrownBy(() -> new ExtractJob(Fixture.squeeze(spark), other).run())
        .hasMessageContaining("data.declaration: is ");
  }

  @Test
  void aTableOfBytes() throws IOException {
    List<Row> rows = new ArrayList<>();
    for (String split : List.of("trainval", "test")) {
      Path list = fixture.photos().resolve("annotations/" + split + ".txt");
      for (String line : Files.readAllLines(list)) {
        String id = line.split(" ", -1)[0];
        byte[] photo = Files.readAllBytes(fixture.photos().resolve("images/" + id + ".jpg"));
        Path mask = fixture.photos().resolve("annotations/trimaps/" + id + ".png");
        rows.add(RowFactory.create(id, split, photo, Files.readAllBytes(mask), "shape " + id));
      }
    }
    StructType schema =
        new StructType(
            new StructField[] {
              DataTypes.createStructField("key", DataTypes.StringType, false),
              DataTypes.createStructField("part", DataTypes.StringType, false),
              DataTypes.createStructField("photo", DataTypes.BinaryType, false),
              DataTypes.createStructField("mask", DataTypes.BinaryType, true),
              DataTypes.createStructField("kind", DataTypes.StringType, true)
            });
    Dataset<Row> table = spark.createDataFrame(rows, schema);
    table.repartition(5).write().parquet(folder.resolve("photos.parquet").toString());
    String declaration =
        """
        table { path = "%s", id = key, image = photo, mask = mask, split = part, columns = [kind] }
        splits = [trainval, test]
        """
            .formatted(folder.resolve("photos.parquet"));
    Published published =
        new ExtractJob(Fixture.squeeze(spark), settings("bytes", declaration)).run();
    assertThat(rows(published)).isEqualTo(expected);
    assertThat(published.read(spark).where("kind = concat('shape ', sample_id)").count())
        .isEqualTo(expected.size());
    Settings trained = settings("bytes", declaration).with("output.experiment-name", "bytes");
    Map<String, Picture> drawn =
        new SampleDrawing(
                Fixture.squeeze(spark),
                TrainedModels.open(
                    Sessions.storage(spark),
                    Reporter.standard(),
                    TrainJob.run(Fixture.squeeze(spark), trained),
                    null,
                    null),
                published.manifest().root(),
                true)
            .of("test", List.of("star_3"));
    assertThat(drawn.get("star_3").photo().width()).isEqualTo(224);
    assertThatThrownBy(
            () ->
                new ExtractJob(
                        Fixture.squeeze(spark), settings("no", declaration.replace("= key", "= k")))
                    .run())
        .hasMessageContaining("(--dataset): there are key, part, photo, mask, kind");
  }

  /** As the data sets library writes them: a row has the file, or names it. */
  @Test
  void aTableOfStructs() throws IOException {
    List<Row> rows = new ArrayList<>();
    for (int i = 1; i <= 4; i++) {
      Path photo = fixture.photos().resolve("images/star_" + i + ".jpg");
      Row image =
          i == 1
              ? RowFactory.create(null, "images/star_1.jpg")
              : RowFactory.create(Files.readAllBytes(photo), "star.jpg");
      rows.add(RowFactory.create("star_" + i, i == 4 ? RowFactory.create(null, null) : image));
    }
    StructType image =
        new StructType().add("bytes", DataTypes.BinaryType).add("path", DataTypes.StringType);
    StructType schema =
        new StructType()
            .add("id", DataTypes.StringType, false)
            .add("image", image)
            .add("tags", DataTypes.createArrayType(DataTypes.StringType));
    rows.replaceAll(row -> RowFactory.create(row.get(0), row.get(1), List.of("a")));
    spark
        .createDataFrame(rows, schema)
        .write()
        .parquet(folder.resolve("structs.parquet").toString());
    String declaration =
        """
        table { path = "%s", id = id, image = image }
        masks-required = false
        """
            .formatted(folder.resolve("structs.parquet"));
    Settings settings = settings("structs", declaration).with("data.max-bad-fraction", "0.5");
    Published published = new ExtractJob(Fixture.squeeze(spark), settings).run();
    assertThat(published.manifest().rejected()).isEqualTo(1);
    Map<String, String> files = digests(read);
    assertThat(digests(published))
        .hasSize(3)
        .allSatisfy((id, digest) -> assertThat(digest).isEqualTo(files.get(id)));
    String tags = declaration.replace("image = image", "image = tags");
    assertThatThrownBy(() -> new ExtractJob(Fixture.squeeze(spark), settings("tags", tags)).run())
        .hasMessageContaining("The column tags is array<string>: a photo or a mask is bytes");
  }

  @Test
  void aTableOfPathsWhosePhotosMayLackMasks() throws IOException {
    List<Row> rows = new ArrayList<>();
    rows.add(RowFactory.create(5L, "../tiny.pt", null));
    for (int i = 1; i <= 4; i++) {
      String mask = i == 1 ? "annotations/trimaps/star_1.png" : null;
      rows.add(RowFactory.create((long) i, "images/star_" + i + ".jpg", mask));
    }
    StructType schema =
        new StructType(
            new StructField[] {
              DataTypes.createStructField("n", DataTypes.LongType, false),
              DataTypes.createStructField("path", DataTypes.StringType, false),
              DataTypes.createStructField("truth", DataTypes.StringType, true)
            });
    spark.createDataFrame(rows, schema).write().parquet(folder.resolve("paths.parquet").toString());
    String declaration =
        """
        table { path = "%s", id = n, image = path, mask = truth }
        masks-required = false
        """
            .formatted(folder.resolve("paths.parquet"));
    Settings settings = settings("paths", declaration).with("data.max-bad-fraction", "0.5");
    Published published = new ExtractJob(Fixture.squeeze(spark), settings).run();
    assertThat(published.manifest().rejected()).isEqualTo(1);
    List<Row> found = published.read(spark).orderBy("sample_id").collectAsList();
    assertThat(found).hasSize(4);
    assertThat(
            published
                .read(spark)
                .select(col("split"))
                .distinct()
                .as(org.apache.spark.sql.Encoders.STRING())
                .collectAsList())
        .containsExactly("all");
    for (Row row : found) {
      byte[] mask = row.getAs("mask");
      assertThat(mask[0] == -1).isEqualTo(!row.getAs("sample_id").equals("1"));
    }
  }
}
