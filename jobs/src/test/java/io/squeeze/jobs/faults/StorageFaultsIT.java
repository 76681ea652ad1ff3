package io.squeeze.jobs.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.encode.EncodeJob;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.faults.FaultyFileSystem.Outcome;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.train.TrainJob;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.commons.codec.digest.DigestUtils;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Storage that fails at any of a job's operations, in every way in which storage fails: whatever is
 * published stays whole, and the same command again ends in the bytes of an undisturbed run.
 */
@Timeout(900)
class StorageFaultsIT {
  @TempDir static Path folder;
  private static SparkSession spark;
  private static Fixture fixture;
  private static String embeddings;
  private static String checkpoint;

  @BeforeAll
  static void undisturbed() throws IOException {
    fixture = new Fixture(folder, 24);
    spark = Shared.session();
    embeddings = new ExtractJob(Fixture.squeeze(spark), settings("clean")).run().path();
    checkpoint = TrainJob.run(Fixture.squeeze(spark), settings("clean"));
  }

  @AfterEach
  void mend() {
    FaultyFileSystem.none();
  }

  private static String faulty(String name) {
    return FaultyFileSystem.SCHEME + ":" + folder.resolve(name);
  }

  private static Settings settings(String name) {
    return fixture
        .settings("unused", "quantizer.type = lfq, train.shards = 2, extract.rows-per-file = 6")
        .with(
            ConfigFactory.parseMap(
                Map.of(
                    "embeddings",
                    faulty("emb-" + name),
                    "output.dir",
                    faulty("outputs"),
                    "output.experiment-name",
                    name)));
  }

  private static List<Row> rows(Published published) {
    boolean codes = published.manifest().table().equals("codes");
    return published
        .read(spark)
        .selectExpr("sample_id", "split", codes ? "codes" : "sha2(embedding || mask, 256)")
        .orderBy("split", "sample_id")
        .collectAsList();
  }

  private static Object extract(String name) throws IOException {
    return rows(new ExtractJob(Fixture.squeeze(spark), settings(name)).run());
  }

  private static Object train(String name) throws IOException {
    Settings own = settings(name).with("embeddings", faulty("emb-clean"));
    String path = TrainJob.run(Fixture.squeeze(spark), own);
    new EvaluateJob(Fixture.squeeze(spark), EvaluateJob.Request.of(path, "test")).score();
    Path run = folder.resolve("outputs/" + name);
    return List.of(
        DigestUtils.sha256Hex(Files.readAllBytes(run.resolve("last.ckpt"))),
        DigestUtils.sha256Hex(Files.readAllBytes(run.resolve("best.ckpt"))),
        Files.readString(run.resolve("evaluation/test/summary.json")),
        Files.readAllLines(run.resolve("metrics.jsonl")).size());
  }

  private static Object encode(String name) throws IOException {
    TrainedQuantizer encoder =
        TrainedQuantizer.open(Sessions.storage(spark), faulty("codes-" + name), checkpoint, null);
    return rows(new EncodeJob(Fixture.squeeze(spark), embeddings, encoder, "packed").run());
  }

  /**
   * Lets four operations fail, one in each way and each in a place of its own; {@code -Dfaults=all}
   * tries them all.
   */
  private static EveryFault disturb(String what, EveryFault.Work work, EveryFault.Work left)
      throws Exception {
    return System.getProperty("faults", "").equals("all")
        ? EveryFault.of(what, work, left)
        : EveryFault.some(what, work, left);
  }

  /** Nothing, after a look at the checkpoints: whatever has its name is whole. */
  private static Object checkpoints(String name) throws IOException {
    Path run = folder.resolve("outputs/" + name);
    if (Files.exists(run)) {
      try (Stream<Path> files = Files.walk(run)) {
        for (Path file : files.filter(path -> path.toString().endsWith(".ckpt")).toList()) {
          assertThat(Checkpoint.read(Storage.local(), file.toString()).epoch()).isPositive();
        }
      }
    }
    return Optional.empty();
  }

  /** The rows of what is published, whole; nothing, where nothing is. */
  private static Object whole(String name) throws IOException {
    Optional<Published> current = new Versions(Sessions.storage(spark), faulty(name)).current();
    return current.isPresent() ? rows(current.get()) : Optional.empty();
  }

  /** Removes what failed runs left: then there is nothing beside what is published. */
  private static void clean(String name) throws IOException {
    Fixture.gc(spark, faulty(name), 1, true).run();
    try (Stream<Path> files = Files.list(folder.resolve(name))) {
      List<String> left = files.map(file -> file.getFileName().toString()).toList();
      assertThat(left).allMatch(file -> file.matches("v[12]|rejects|metrics"));
      assertThat(left).filteredOn(file -> file.startsWith("v")).hasSize(1);
    }
  }

  @Test
  void anExtractionThatFailsAnywhereIsGoneOnWith() throws Exception {
    disturb("extract", StorageFaultsIT::extract, name -> whole("emb-" + name));
    for (Path path : below("emb-extract")) {
      clean(path.getFileName().toString());
    }
  }

  @Test
  void aVersionWhoseProcessEndedWhileItPublishedIsTakenBack() throws Exception {
    for (String last : List.of("/v1", "/v1/_manifest.json")) {
      String name = "publishing" + last.length();
      FaultyFileSystem.fault(
          (operation, path) -> {
            if (operation.equals("rename") && path.endsWith(last)) {
              FaultyFileSystem.fault(
                  (any, other) -> {
                    throw new IOException("the process has ended");
                  });
              return Outcome.DONE_AND_LOST;
            }
            return Outcome.DONE;
          });
      assertThatThrownBy(() -> extract(name)).isInstanceOf(IOException.class);
      FaultyFileSystem.none();
      // Nothing is extracted again: it could not be.
      Path photos = fixture.photos().resolve("images");
      Path away = folder.resolve("away");
      Files.move(photos, away);
      Files.createDirectory(photos);
      try {
        assertThat(extract(name)).isEqualTo(whole("emb-clean"));
      } finally {
        Files.delete(photos);
        Files.move(away, photos);
      }
      clean("emb-" + name);
    }
  }

  @Test
  void aTrainingAndItsEvaluationToo() throws Exception {
    disturb("train", StorageFaultsIT::train, StorageFaultsIT::checkpoints);
  }

  @Test
  void soDoesEncoding() throws Exception {
    disturb("encode", StorageFaultsIT::encode, name -> whole("codes-" + name));
    for (Path path : below("codes-encode")) {
      clean(path.getFileName().toString());
    }
  }

  private static List<Path> below(String prefix) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> file.getFileName().toString().startsWith(prefix)).toList();
    }
  }

  @Test
  void aFlippedBitIsFoundOrChangesNothing() throws IOException {
    Published published = new ExtractJob(Fixture.squeeze(spark), settings("flipped")).run();
    List<Row> whole = rows(published);
    String name =
        published.manifest().files().stream()
            .map(DataFile::path)
            .filter(path -> path.startsWith("split="))
            .findFirst()
            .orElseThrow();
    Path file = folder.resolve("emb-flipped/v1").resolve(name);
    byte[] bytes = Files.readAllBytes(file);
    Random random = new Random(7);
    int found = 0;
    for (int i = 0; i < 24; i++) {
      byte[] flipped = bytes.clone();
      flipped[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
      Files.write(file, flipped);
      List<Row> read = new ArrayList<>();
      try {
        read.addAll(rows(published));
      } catch (Exception e) {
        assertThat(e).hasStackTraceContaining(file.getFileName().toString());
        found++;
        continue;
      }
      assertThat(read).isEqualTo(whole);
    }
    assertThat(found).isGreaterThan(20);

    Path last = folder.resolve("outputs/clean/last.ckpt");
    byte[] trained = Files.readAllBytes(last);
    for (int i = 0; i < 200; i++) {
      byte[] flipped = trained.clone();
      flipped[random.nextInt(trained.length)] ^= (byte) (1 << random.nextInt(8));
      Files.write(last, flipped);
      assertThatThrownBy(() -> Checkpoint.read(Storage.local(), last.toString()))
          .isInstanceOf(io.squeeze.config.SqueezeException.class);
    }
    Files.write(last, trained);
  }

  @Test
  void aFullDiskCostsNoCheckpointThatWasWhole() throws Exception {
    Path disk = Files.createDirectory(folder.resolve("disk"));
    byte[] trained = Files.readAllBytes(folder.resolve("outputs/clean/last.ckpt"));
    // The first epoch's two checkpoints find room, the second's do not.
    long bytes = 5L * trained.length / 2 + (12 << 10);
    assumeTrue(
        run("mount -t tmpfs -o size=" + bytes + " tmpfs " + disk) == 0,
        "No small disk can be mounted here");
    try {
      Settings full =
          settings("clean")
              .with(
                  ConfigFactory.parseMap(
                      Map.of("output.dir", disk.toString(), "track.tensorboard", false)));
      assertThatThrownBy(() -> TrainJob.run(Fixture.squeeze(spark), full))
          .hasStackTraceContaining("No space left on device");
      assertThat(Checkpoint.read(Storage.local(), disk + "/clean/last.ckpt").epoch()).isEqualTo(1);
      assertThat(run("mount -o remount,size=64m " + disk)).isZero();
      assertThat(Path.of(TrainJob.run(Fixture.squeeze(spark), full))).hasBinaryContent(trained);
    } finally {
      run("umount " + disk);
    }
  }

  private static int run(String command) throws Exception {
    return new ProcessBuilder("sh", "-c", command).start().waitFor();
  }
}
