package io.squeeze.jobs.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.jobs.Command;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Submit;
import io.squeeze.jobs.TinyBackbone;
import io.squeeze.track.ClearMlServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A training as a process of its own that a ClearML server follows. */
@Timeout(200)
@Tag("cluster")
class TrackedIT {
  private static final String KEY = "4CC355KEY0F7E57";
  private static final String SECRET = "5ecr37-0f-7he-7e57";

  @TempDir static Path folder;

  @BeforeAll
  static void photos() throws IOException {
    new Fixture(folder, 24);
    TinyBackbone.write(folder.resolve("tiny.pt"), 1);
  }

  /** A training that a server follows, and that extracts first. */
  private static List<String> words(ClearMlServer server, String name, int epochs)
      throws IOException {
    Path credentials = folder.resolve("clearml.yaml");
    Files.writeString(
        credentials,
        "api_host: %s\nfiles_host: %s\nweb_host: http://web\napi_key: %s\napi_secret: %s\n"
            .formatted(server.address(), server.address(), KEY, SECRET));
    List<String> words = new ArrayList<>();
    words.addAll(List.of("train", "--model", folder + "/tiny.pt"));
    words.addAll(List.of("--data_path", folder + "/shapes", "--embeddings", folder + "/emb"));
    words.addAll(List.of("--output_dir", folder + "/outputs", "--experiment_name", name));
    words.addAll(List.of("--codebook_size", "16", "--lr", "1e-3"));
    words.addAll(List.of("--epochs", Integer.toString(epochs), "--set", "train.patience=null"));
    words.addAll(List.of("--set", "track.clearml-credentials=" + credentials));
    words.addAll(List.of("--use_clearml", "--project_name", "pets", "--task_name", "my task"));
    return words;
  }

  private static ProcessBuilder train(ClearMlServer server, String name, int epochs)
      throws IOException {
    Path log = Files.createDirectories(folder.resolve("spark-events"));
    List<String> command = new ArrayList<>();
    command.addAll(List.of("--master", "local[2]", "--conf", "spark.eventLog.enabled=true"));
    command.addAll(List.of("--conf", "spark.eventLog.dir=" + log.toUri()));
    command.addAll(List.of("--conf", "spark.eventLog.compress=false"));
    command.addAll(List.of("--conf", "spark.squeeze.test.api_key=" + KEY));
    command.addAll(words(server, name, epochs));
    return Submit.squeeze(folder, command)
        .redirectErrorStream(true)
        .redirectOutput(folder.resolve(name + ".log").toFile());
  }

  @Test
  void theServerHearsTheWholeRunAndNobodyReadsTheSecret() throws Exception {
    try (ClearMlServer server = new ClearMlServer(KEY, SECRET)) {
      Process process = train(server, "whole", 2).start();
      assertThat(process.waitFor(150, TimeUnit.SECONDS)).isTrue();
      String log = Files.readString(folder.resolve("whole.log"));
      assertThat(process.exitValue()).as(log).isZero();
      assertThat(server.state()).isEqualTo("completed");
      assertThat(server.asked())
          .startsWith("/auth.login", "/projects.get_all", "/projects.create", "/tasks.create")
          .endsWith("/", "/tasks.add_or_update_artifacts", "/tasks.completed");
      assertThat(log).contains(": http://web/projects/p1/experiments/t1");
    }
    String pair = KEY + ":" + SECRET;
    String basic =
        Base64.getEncoder().encodeToString(pair.getBytes(StandardCharsets.UTF_8)).substring(0, 24);
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        if (!file.endsWith("clearml.yaml")) {
          String text = Files.readString(file, StandardCharsets.ISO_8859_1);
          assertThat(text).as(file.toString()).doesNotContain(SECRET, basic, "token-1");
        }
      }
    }
    // Spark 4 writes a folder of files.
    try (Stream<Path> logs = Files.walk(folder.resolve("spark-events"))) {
      String environment =
          logs.filter(Files::isRegularFile)
              .flatMap(log -> lines(log).stream())
              .filter(line -> line.contains("SparkListenerEnvironmentUpdate"))
              .findFirst()
              .orElseThrow();
      assertThat(environment).contains("\"spark.squeeze.test.api_key\":\"*********(redacted)\"");
    }
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void aRunWhoseTaskFailsHasFailedThere() throws Exception {
    // Enough of one shard's features is turned that Parquet's checksums notice.
    try (ClearMlServer server = new ClearMlServer(KEY, SECRET)) {
      Command before = Command.run(words(server, "before", 1).toArray(String[]::new));
      assertThat(before.code()).as(before.err()).isZero();
      Path damaged;
      try (Stream<Path> files = Files.walk(folder.resolve("emb/v1/split=trainval"))) {
        damaged =
            files.filter(file -> file.toString().endsWith(".parquet")).findFirst().orElseThrow();
      }
      byte[] bytes = Files.readAllBytes(damaged);
      byte[] whole = bytes.clone();
      for (int i = bytes.length / 4; i < bytes.length / 2; i++) {
        bytes[i] ^= 0x55;
      }
      Files.write(damaged, bytes);
      Command failing = Command.run(words(server, "failing", 2).toArray(String[]::new));
      Files.write(damaged, whole);
      assertThat(failing.code()).isEqualTo(4);
      assertThat(failing.lastLine())
          .matches("ERROR Cannot read the file .*/emb/v1/.* if it is damaged.*");
      assertThat(server.state()).isEqualTo("failed");
    }
  }

  @Test
  void aRunThatIsEndedBySignalIsStoppedThere() throws Exception {
    try (ClearMlServer server = new ClearMlServer(KEY, SECRET)) {
      Process process = train(server, "ended", 5000).start();
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
      while (!server.asked().contains("/events.add_batch") && System.nanoTime() < until) {
        Thread.sleep(100);
      }
      process.destroy();
      assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(process.exitValue()).isEqualTo(143);
      assertThat(Files.readString(folder.resolve("ended.log")))
          .contains("ERROR Stopped by a signal")
          .doesNotContain("at io.squeeze");
      assertThat(server.state()).isEqualTo("stopped");
    }
  }
}
