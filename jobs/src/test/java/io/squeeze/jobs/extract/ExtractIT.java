package io.squeeze.jobs.extract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.SqueezeException.Category;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.TinyBackbone;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Sessions;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.awt.image.WritableRaster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriter;
import javax.imageio.stream.ImageOutputStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExtractIT {
  private static SparkSession spark;

  @BeforeAll
  static void startSpark() {
    spark = Shared.session();
  }

  private static Published extract(Settings settings) throws IOException {
    return new ExtractJob(Fixture.squeeze(spark), settings).run();
  }

  @Test
  void aSecondRunDoesNothingAndOtherSettingsAreRefused(@TempDir Path folder) throws IOException {
    Fixture fixture = new Fixture(folder, 24);
    Published first = extract(fixture.settings("e", ""));
    assertThat(first.path()).endsWith("/e/v1");
    assertThat(first.manifest().rows()).isEqualTo(Map.of("trainval", 18L, "test", 6L));
    Path manifest = Path.of(first.path(), Manifest.NAME);
    FileTime written = Files.getLastModifiedTime(manifest);
    Published second = extract(fixture.settings("e", "train.lr = 0.5"));
    assertThat(second).isEqualTo(first);
    assertThat(Files.getLastModifiedTime(manifest)).isEqualTo(written);
    assertThat(extract(fixture.settings("e/v1", ""))).isEqualTo(first);

    TinyBackbone.write(fixture.backbone(), 2);
    assertThatThrownBy(() -> extract(fixture.settings("e", "image.std = [1, 1, 1]")))
        .isInstanceOfSatisfying(
            SqueezeException.class, e -> assertThat(e.category()).isEqualTo(Category.CONFIGURATION))
        .hasMessageContaining("backbone.sha256: is ")
        .hasMessageContaining("image.std: is [0.229, 0.224, 0.225], asked for [1.0, 1.0, 1.0]");

    Row row = first.read(spark, "test").where("sample_id = 'circle_3'").first();
    assertThat(row.<byte[]>getAs("embedding")).hasSize(24 * 14 * 14 * 4);
    assertThat(row.<byte[]>getAs("mask")).hasSize(224 * 224);
    assertThat(row.<String>getAs("breed")).isEqualTo("circle");
    assertThat(row.<String>getAs("image_path")).isEqualTo("images/circle_3.jpg");
  }

  @Test
  void everyBadFileEndsAsTheRowOrTheRejectThatItShould(@TempDir Path folder) throws IOException {
    Fixture fixture = new Fixture(folder, 12);
    Path root = fixture.photos();
    Path photo = root.resolve("images/circle_1.jpg");
    byte[] jpeg = Files.readAllBytes(photo);
    BufferedImage image = ImageIO.read(photo.toFile());
    BufferedImage alpha = copy(image, BufferedImage.TYPE_INT_ARGB);
    add(root, "truncated", Arrays.copyOf(jpeg, jpeg.length / 2));
    add(root, "html", "<html>Not found</html>".getBytes(java.nio.charset.StandardCharsets.UTF_8));
    add(root, "empty", new byte[0]);
    add(root, "bomb", bomb());
    add(root, "gif", encoded(folder, copy(image, BufferedImage.TYPE_BYTE_INDEXED), "gif"));
    add(root, "rgba", encoded(folder, alpha, "png"));
    add(root, "cmyk", cmyk(folder, image));
    add(root, "tiny", jpeg);
    mask(root, "tiny", new BufferedImage(3, 3, BufferedImage.TYPE_BYTE_GRAY), 1);
    add(root, "odd_label", jpeg);
    mask(root, "odd_label", copy(image, BufferedImage.TYPE_BYTE_GRAY), 77);
    add(root, "no_image", jpeg);
    Files.delete(root.resolve("images/no_image.jpg"));
    add(root, "no_mask", jpeg);
    Files.delete(root.resolve("annotations/trimaps/no_mask.png"));
    list(root, "circle_1");
    Files.copy(photo, root.resolve("images/unlisted.jpg"));

    assertThatThrownBy(() -> extract(fixture.settings("strict", "")))
        .isInstanceOfSatisfying(
            SqueezeException.class, e -> assertThat(e.category()).isEqualTo(Category.INPUT))
        .hasMessageContaining("9 of 24 images were rejected")
        .hasMessageContaining("data.max-bad-fraction = 0.01");
    assertThat(new Versions(Sessions.storage(spark), folder + "/strict").current()).isEmpty();
    assertThatThrownBy(() -> extract(fixture.settings("fail", "data.on-bad-sample = fail")))
        .satisfies(
            e -> assertThat(SqueezeException.find(e).getMessage()).startsWith("Bad sample "));

    Published published = extract(fixture.settings("e", "data.max-bad-fraction = 0.5"));
    Dataset<Row> rejects = spark.read().parquet(folder + "/e/rejects/v1");
    Map<String, String> found = new TreeMap<>();
    rejects
        .collectAsList()
        .forEach(r -> found.put(r.getAs("sample_id"), r.getAs("stage") + " " + r.getAs("code")));
    assertThat(found)
        .isEqualTo(
            new TreeMap<>(
                Map.of(
                    "truncated", "image TRUNCATED",
                    "html", "image NOT_AN_IMAGE",
                    "empty", "image NOT_AN_IMAGE",
                    "bomb", "image TOO_LARGE",
                    "tiny", "mask SIZE_MISMATCH",
                    "odd_label", "mask BAD_LABEL",
                    "no_image", "image MISSING",
                    "no_mask", "mask MISSING",
                    "circle_1", "list DUPLICATE")));
    Dataset<Row> rows = published.read(spark);
    assertThat(rows.count() + rejects.count()).isEqualTo(24);
    assertThat(rows.where("sample_id in ('gif', 'rgba', 'cmyk', 'circle_1')").count()).isEqualTo(4);
    assertThat(rows.where("sample_id = 'unlisted'").count()).isZero();
    // Alpha is dropped and the content decides the format: the same pixels, the same features.
    byte[] plain = embedding(rows, "circle_1");
    assertThat(embedding(rows, "rgba")).isEqualTo(plain);
    assertThat(embedding(rows, "cmyk")).isNotEqualTo(plain);
  }

  private static byte[] embedding(Dataset<Row> rows, String id) {
    return rows.where("sample_id = '" + id + "'").first().getAs("embedding");
  }

  @Test
  void whatAKilledRunLeftIsNeverTakenForWhole(@TempDir Path folder) throws IOException {
    Fixture fixture = new Fixture(folder, 12);
    Published whole = extract(fixture.settings("e", ""));
    Path base = folder.resolve("e");
    // As if it had been killed between the move and the manifest, another while writing.
    Files.delete(base.resolve("v1").resolve(Manifest.NAME));
    Files.createDirectories(base.resolve("_v1.other/split=test"));
    Files.writeString(base.resolve("_v1.other/split=test/part-0.parquet"), "half");
    Published again = extract(fixture.settings("e", ""));
    assertThat(again.path()).endsWith("/e/v2");
    assertThat(again.manifest().files().stream().map(DataFile::sha256))
        .isEqualTo(whole.manifest().files().stream().map(DataFile::sha256).toList());
    assertThat(again.read(spark).count()).isEqualTo(12);
  }

  @Test
  void aDamagedVersionIsRefusedWithTheFileNamed(@TempDir Path folder) throws IOException {
    Fixture fixture = new Fixture(folder, 12);
    Published whole = extract(fixture.settings("e", ""));
    Path part = Path.of(whole.path(), whole.manifest().files().get(0).path());
    byte[] bytes = Files.readAllBytes(part);
    Files.write(part, Arrays.copyOf(bytes, bytes.length - 1));
    assertThatThrownBy(() -> extract(fixture.settings("e", "")))
        .hasMessageContaining("is damaged")
        .hasMessageContaining(part.getFileName().toString());
    Files.delete(part);
    assertThatThrownBy(() -> extract(fixture.settings("e", ""))).hasMessageContaining("no file");
    Files.write(part, bytes);
    assertThat(extract(fixture.settings("e", ""))).isEqualTo(whole);

    Path manifest = Path.of(whole.path(), Manifest.NAME);
    String text = Files.readString(manifest);
    Files.writeString(manifest, text.replaceAll("(\"schemaVersion\" *: *)2", "$19"));
    assertThatThrownBy(() -> extract(fixture.settings("e", "")))
        .hasMessageContaining("was written by schema version 9, this program reads 2");
    Files.writeString(manifest, text.substring(0, text.length() / 2));
    assertThatThrownBy(() -> extract(fixture.settings("e", "")))
        .hasMessageContaining("Cannot read the manifest " + manifest);
  }

  @Test
  void aMissingOrEmptyDataSetIsAClearError(@TempDir Path folder) throws IOException {
    Fixture fixture = new Fixture(folder, 12);
    Files.writeString(fixture.photos().resolve("annotations/trainval.txt"), "");
    Files.writeString(fixture.photos().resolve("annotations/test.txt"), "# none\n");
    assertThatThrownBy(() -> extract(fixture.settings("e", "")))
        .hasMessageContaining("name no samples (--data_path)");
    assertThatThrownBy(() -> extract(fixture.settings("e", "data.path = /nowhere")))
        .hasMessageContaining("No Oxford-IIIT Pet data in /nowhere");
    assertThatThrownBy(() -> extract(fixture.settings("e", "data.dataset = coco")))
        .hasMessageContaining("Unknown data set coco");
    assertThat(folder.resolve("e")).doesNotExist();
  }

  private static void add(Path root, String name, byte[] file) throws IOException {
    Files.write(root.resolve("images/" + name + ".jpg"), file);
    Files.copy(
        root.resolve("annotations/trimaps/circle_1.png"),
        root.resolve("annotations/trimaps/" + name + ".png"),
        StandardCopyOption.REPLACE_EXISTING);
    list(root, name);
  }

  private static void list(Path root, String name) throws IOException {
    Files.writeString(
        root.resolve("annotations/test.txt"), name + " 1 1 1\n", StandardOpenOption.APPEND);
  }

  private static void mask(Path root, String name, BufferedImage mask, int value)
      throws IOException {
    for (int i = 0; i < mask.getWidth() * mask.getHeight(); i++) {
      mask.getRaster().setSample(i % mask.getWidth(), i / mask.getWidth(), 0, value);
    }
    ImageIO.write(mask, "png", root.resolve("annotations/trimaps/" + name + ".png").toFile());
  }

  private static BufferedImage copy(BufferedImage image, int type) {
    BufferedImage copy = new BufferedImage(image.getWidth(), image.getHeight(), type);
    Graphics2D graphics = copy.createGraphics();
    graphics.drawImage(image, 0, 0, null);
    graphics.dispose();
    return copy;
  }

  private static byte[] encoded(Path folder, BufferedImage image, String format)
      throws IOException {
    Path file = folder.resolve("encoded");
    assertThat(ImageIO.write(image, format, file.toFile())).isTrue();
    return Files.readAllBytes(file);
  }

  /** A JPEG of four bands, which PIL and TwelveMonkeys read as CMYK. */
  private static byte[] cmyk(Path folder, BufferedImage image) throws IOException {
    WritableRaster raster =
        Raster.createInterleavedRaster(0, image.getWidth(), image.getHeight(), 4, null);
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        int rgb = image.getRGB(x, y);
        raster.setPixel(
            x,
            y,
            new int[] {255 - (rgb >> 16 & 255), 255 - (rgb >> 8 & 255), 255 - (rgb & 255), 0});
      }
    }
    Path file = folder.resolve("cmyk");
    ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
    try (ImageOutputStream out = ImageIO.createImageOutputStream(file.toFile())) {
      writer.setOutput(out);
      writer.write(null, new IIOImage(raster, List.of(), null), null);
    } finally {
      writer.dispose();
    }
    return Files.readAllBytes(file);
  }

  /** 23 bytes that announce 65,535 x 32,767 pixels. */
  private static byte[] bomb() {
    return new byte[] {
      'G', 'I', 'F', '8', '9', 'a', -1, -1, -1, 127, 0, 0, 0, ',', 0, 0, 0, 0, -1, -1, -1, 127, 0
    };
  }
}
