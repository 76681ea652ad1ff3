package io.squeeze.jobs.extract;

import static org.apache.spark.sql.functions.col;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.SqueezeException.Category;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.encode.EncodeJob;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.jobs.train.TrainJob;
import io.squeeze.weights.HostTensor;
import io.squeeze.weights.TorchSave;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Extraction that goes on, grows, rounds and fuses. */
class ExtractMoreIT {
  private static SparkSession spark;

  @BeforeAll
  static void startSpark() {
    spark = Shared.session();
  }

  private static Published extract(Settings settings) throws IOException {
    return new ExtractJob(Fixture.squeeze(spark), settings).run();
  }

  private static Map<String, byte[]> embeddings(Published published) {
    Map<String, byte[]> found = new HashMap<>();
    published
        .read(spark)
        .select("sample_id", "embedding")
        .collectAsList()
        .forEach(row -> found.put(row.getString(0), row.getAs(1)));
    return found;
  }

  @Test
  void aRunThatEndedEarlyGoesOnWithTheFilesThatAreWhole(@TempDir Path folder) throws IOException {
    Fixture fixture = new Fixture(folder, 36);
    Map<String, byte[]> expected = embeddings(extract(fixture.settings("undisturbed", "")));
    Path photo = fixture.photos().resolve("images/circle_1.jpg");
    byte[] good = Files.readAllBytes(photo);
    Files.writeString(photo, "broken");
    assertThatThrownBy(() -> extract(fixture.settings("e", "")))
        .hasMessageContaining("1 of 36 images were rejected");
    Files.write(photo, good);
    List<Path> left = parquet(folder.resolve("e"), "split=");
    assertThat(left).hasSize(4); // of five: the one with the broken photo is done again
    // As a kill leaves the file that was being written.
    Path cut = left.get(0);
    byte[] bytes = Files.readAllBytes(cut);
    Files.write(cut, java.util.Arrays.copyOf(bytes, bytes.length / 2));
    Files.delete(cut.resolveSibling("." + cut.getFileName() + ".crc"));

    Published resumed = extract(fixture.settings("e", ""));
    List<String> names =
        resumed.manifest().files().stream()
            .map(DataFile::path)
            .filter(path -> path.startsWith("split="))
            .toList();
    for (Path kept : left.subList(1, 4)) {
      assertThat(names).anyMatch(name -> name.endsWith("/" + kept.getFileName()));
    }
    assertThat(names).hasSize(5).noneMatch(name -> name.endsWith("/" + cut.getFileName()));
    assertThat(parquet(folder.resolve("e"), "split=")).hasSize(5);
    Map<String, byte[]> found = embeddings(resumed);
    assertThat(found.keySet()).isEqualTo(expected.keySet());
    found.forEach((id, embedding) -> assertThat(embedding).isEqualTo(expected.get(id)));
    assertThat(spark.read().parquet(folder + "/e/rejects/v1").count()).isZero();
  }

  private static List<Path> parquet(Path folder, String part) throws IOException {
    try (var files = Files.walk(folder)) {
      return files
          .filter(p -> p.toString().endsWith(".parquet") && p.toString().contains(part))
          .sorted()
          .toList();
    }
  }

  private static void delete(Path folder) throws IOException {
    try (var below = Files.walk(folder)) {
      for (Path path : below.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }

  @Test
  void morePhotosBecomeTheNextVersionWithoutTheOldOnesAgain(@TempDir Path folder)
      throws IOException {
    Fixture fixture = new Fixture(folder, 36);
    Path list = fixture.photos().resolve("annotations/trainval.txt");
    List<String> all = Files.readAllLines(list);
    Files.write(list, all.subList(0, 15));
    Published first = extract(fixture.settings("e", ""));
    Map<String, byte[]> before = embeddings(first);
    Files.write(list, all);
    // A photo that is embedded already is not read again.
    String known = all.get(0).substring(0, all.get(0).indexOf(' '));
    Files.delete(fixture.photos().resolve("images/" + known + ".jpg"));
    Published second = extract(fixture.settings("e", ""));
    assertThat(second.path()).endsWith("/e/v2");
    long listed = all.stream().filter(line -> !line.startsWith("#")).count();
    assertThat(second.manifest().rows().get("trainval")).isEqualTo(listed);
    assertThat(second.manifest().rejected()).isZero();
    Map<String, byte[]> after = embeddings(second);
    before.forEach((id, embedding) -> assertThat(after.get(id)).isEqualTo(embedding));
    assertThat(extract(fixture.settings("e", "")).path()).isEqualTo(second.path());

    Files.write(list, all.subList(0, 15));
    assertThatThrownBy(() -> extract(fixture.settings("e", "")))
        .isInstanceOfSatisfying(
            SqueezeException.class, e -> assertThat(e.category()).isEqualTo(Category.CONFIGURATION))
        .hasMessageContaining("are no longer listed");
  }

  @Test
  void aPhotoThatWasReplacedIsNotServedAsItWas(@TempDir Path folder) throws IOException {
    Fixture fixture = new Fixture(folder, 24);
    Path images = fixture.photos().resolve("images");
    Path broken = images.resolve("circle_2.jpg");
    byte[] good = Files.readAllBytes(broken);
    Files.writeString(broken, "broken");
    String few = "data.max-bad-fraction = 0.1";
    Published first = extract(fixture.settings("e", few));
    assertThat(first.manifest().rejected()).isEqualTo(1);
    assertThat(extract(fixture.settings("e", few)).path()).isEqualTo(first.path());

    // A reject that was mended is tried again.
    Files.write(broken, good);
    Published second = extract(fixture.settings("e", few));
    assertThat(second.path()).endsWith("/e/v2");
    assertThat(second.manifest().rejected()).isZero();
    assertThat(embeddings(second)).hasSize(24).containsKey("circle_2");
    assertThat(second.manifest().files()).anyMatch(file -> file.path().startsWith("_sources/"));
    assertThat(extract(fixture.settings("e", few)).path()).isEqualTo(second.path());

    Files.write(images.resolve("circle_1.jpg"), good);
    assertThatThrownBy(() -> extract(fixture.settings("e", few)))
        .isInstanceOfSatisfying(
            SqueezeException.class, e -> assertThat(e.category()).isEqualTo(Category.CONFIGURATION))
        .hasMessageContaining("1 photos or masks of ")
        .hasMessageContaining("changed since, such as circle_1")
        .hasMessageContaining("extract.changed-files = ignore");
    Published third = extract(fixture.settings("e", few + ", extract.changed-files = ignore"));
    assertThat(third.path()).endsWith("/e/v3");
    assertThat(embeddings(third).get("circle_1")).isEqualTo(embeddings(second).get("circle_1"));
  }

  private static String quoted(Path path) {
    return "\"" + path + "\"";
  }

  @Test
  void halfFloatsTakeHalfTheBytesAndSayWhatTheyCost(@TempDir Path folder) throws IOException {
    Fixture fixture = new Fixture(folder, 12);
    Map<String, byte[]> full = embeddings(extract(fixture.settings("e", "")));
    Published rounded = extract(fixture.settings("h", "extract.embedding-dtype = float16"));
    assertThat(rounded.manifest().dtype()).isEqualTo("float16");
    Map<String, byte[]> half = embeddings(rounded);
    full.forEach(
        (id, bytes) -> {
          var values = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
          float[] floats = new float[values.remaining()];
          values.get(floats);
          HostTensor exact = HostTensor.of(floats, floats.length);
          assertThat(half.get(id)).isEqualTo(exact.as(io.squeeze.weights.ElementType.F16).bytes());
        });
    assertThat(rounded.read(spark).select("dtype").distinct().first().getString(0))
        .isEqualTo("float16");
    Settings training = fixture.settings("h", "output.experiment-name = half");
    assertThat(TrainJob.run(Fixture.squeeze(spark), training)).endsWith("half/last.ckpt");
  }

  /** The README's recipe for large collections: a sample, a training, then codes of everything. */
  @Test
  void aSampleTrainsTheQuantizerThatSqueezesTheWholeCollection(@TempDir Path folder)
      throws IOException {
    Fixture fixture = new Fixture(folder, 36);
    Published sample = extract(fixture.settings("sample", "extract.photos = 10"));
    assertThat(sample.manifest().rows()).isEqualTo(Map.of("trainval", 10L, "test", 10L));
    Published larger = extract(fixture.settings("sample", "extract.photos = 11"));
    assertThat(larger.path()).endsWith("/sample/v2");
    assertThat(embeddings(larger)).containsKeys(embeddings(sample).keySet().toArray(String[]::new));
    String checkpoint = TrainJob.run(Fixture.squeeze(spark), fixture.settings("sample", ""));

    Published stored = extract(fixture.settings("all", ""));
    // Codes need no masks.
    delete(fixture.photos().resolve("annotations/trimaps"));
    HadoopStorage storage = Sessions.storage(spark);
    TrainedQuantizer encoder = TrainedQuantizer.open(storage, folder + "/codes", checkpoint, null);
    Published codes =
        new ExtractJob(Fixture.squeeze(spark), fixture.settings("unused", ""), encoder).run();
    assertThat(codes.path()).endsWith("/codes/v1");
    assertThat(folder.resolve("unused")).doesNotExist();
    Dataset<Row> rows = codes.read(spark);
    assertThat(rows.count()).isEqualTo(36);
    assertThat(rows.columns()).contains("breed", "levels", "codes").doesNotContain("embedding");
    Row one = rows.where(col("sample_id").equalTo("circle_3")).first();
    List<Integer> found = one.getList(one.fieldIndex("codes"));
    assertThat(found).hasSize(14 * 14).allMatch(code -> code >= 0 && code < 16);
    Dataset<Row> codebook = spark.read().parquet(codes.path() + "/codebook");
    assertThat(codebook.count()).isEqualTo(16);
    assertThat(codebook.first().getList(2)).hasSize(24);
    assertThat(
            new ExtractJob(Fixture.squeeze(spark), fixture.settings("unused", ""), encoder).run())
        .isEqualTo(codes);

    // The same codes from features that were stored.
    Published encoded =
        new EncodeJob(
                Fixture.squeeze(spark),
                stored.path(),
                TrainedQuantizer.open(storage, folder + "/encoded", checkpoint, null),
                Coding.ARRAY)
            .run();
    assertThat(encoded.read(spark).exceptAll(rows).isEmpty()).isTrue();
    assertThat(encoded.read(spark).count()).isEqualTo(36);

    Settings other = fixture.settings("unused", "image.std = [1, 1, 1]");
    assertThatThrownBy(() -> new ExtractJob(Fixture.squeeze(spark), other, encoder).run())
        .hasMessageContaining("Other codes lie in ")
        .hasMessageContaining("--codes");
  }

  @Test
  void aNetworkOfOnesOwnIsFoundByItsClassAndPacked(@TempDir Path folder) throws IOException {
    Fixture fixture = new Fixture(folder, 12);
    String model = "model = \"io.squeeze.ColourGrid\"";
    Published random = extract(fixture.settings("r", model));
    assertThat(random.manifest().channels()).isEqualTo(64);
    assertThat(random.manifest().settings()).containsEntry("backbone.weights", "random 42");
    Path weights =
        TorchSave.zip(
            folder.resolve("patch.pth"),
            Map.of("patch.weight", HostTensor.full(0.01f, 64, 3, 16, 16)));
    String given = model + ", weights = " + quoted(weights);
    Published packed = extract(fixture.settings("w", given));
    assertThat(embeddings(packed).get("circle_1"))
        .hasSize(64 * 14 * 14 * 4)
        .isNotEqualTo(embeddings(random).get("circle_1"));
    // As DistributedDataParallel names them.
    Path wrapped =
        TorchSave.zip(
            folder.resolve("ddp.pth"),
            Map.of("module.patch.weight", HostTensor.full(0.01f, 64, 3, 16, 16)));
    Published same = extract(fixture.settings("d", model + ", weights = " + quoted(wrapped)));
    assertThat(embeddings(same).get("circle_1")).isEqualTo(embeddings(packed).get("circle_1"));
    assertThatThrownBy(() -> extract(fixture.settings("r", given)))
        .hasMessageContaining("backbone.weights: is random 42");
    assertThatThrownBy(() -> extract(fixture.settings("x", "weights = " + quoted(weights))))
        .hasMessageContaining("--weights and --precision are for deeplab, vit");
    assertThatThrownBy(() -> extract(fixture.settings("x", model + ", weights = nowhere.pth")))
        .hasMessageContaining("No weights at nowhere.pth (--weights)");
    Path renamed = folder.resolve("vit_b_32-d86f8d99.pth");
    Files.copy(weights, renamed);
    assertThatThrownBy(
            () -> extract(fixture.settings("x", model + ", weights = " + quoted(renamed))))
        .hasMessageContaining("SHA-256 should begin with d86f8d99");
  }
}
