package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.dataset.Shapes;
import io.squeeze.jobs.TinyBackbone;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The fat jar on a real standalone cluster, in client and in cluster deploy mode: the same bytes as
 * on two threads of one process.
 */
@Timeout(400)
class ClusterIT {
  private static final Path SQUEEZE = Path.of("../submit/squeeze").toAbsolutePath().normalize();
  private static final List<String> LOCAL = List.of("--master", "local[2]");

  @TempDir static Path folder;
  private static Standalone cluster;
  private static Path local;

  @BeforeAll
  static void start() throws Exception {
    new Shapes(3).write(folder.resolve("shapes"), 36);
    TinyBackbone.write(folder.resolve("tiny.pt"), 1);
    cluster = new Standalone(Files.createDirectory(folder.resolve("cluster")));
    local = walk("local", LOCAL, LOCAL, LOCAL);
  }

  @AfterAll
  static void stop() {
    if (cluster != null) {
      cluster.close();
    }
  }

  private static Process start(String log, List<String> options, String... command)
      throws IOException {
    List<String> words = new ArrayList<>(List.of(SQUEEZE.toString()));
    words.addAll(options);
    words.addAll(List.of(command));
    ProcessBuilder builder = new ProcessBuilder(words).directory(folder.toFile());
    builder.environment().remove("SPARK_HOME");
    builder.environment().put("SPARK_DRIVER_MEMORY", "1200m");
    builder.redirectErrorStream(true).redirectOutput(folder.resolve(log).toFile());
    return builder.start();
  }

  private static void run(String log, List<String> options, String... command) throws Exception {
    Process process = start(log, options, command);
    assertThat(process.waitFor(150, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue())
        .as(Files.readString(folder.resolve(log)) + cluster.logs())
        .isZero();
  }

  private static String[] extract(Path home) {
    return new String[] {
      "extract",
      "--model",
      folder + "/tiny.pt",
      "--data_path",
      folder + "/shapes",
      "--device",
      "cpu",
      "--embeddings",
      home + "/emb",
      "--set",
      "extract.rows-per-file=4"
    };
  }

  private static String[] train(Path home, int epochs) {
    return new String[] {
      "train",
      "--embeddings",
      home + "/emb",
      "--codebook_size",
      "16",
      "--lr",
      "1e-3",
      "--shards",
      "3",
      "--epochs",
      Integer.toString(epochs),
      "--averaging_frequency",
      "2",
      "--device",
      "cpu",
      "--output_dir",
      home + "/outputs",
      "--experiment_name",
      "vq"
    };
  }

  private static String[] evaluate(Path home) {
    return new String[] {
      "evaluate", "--checkpoint", home + "/outputs/vq/last.ckpt", "--device", "cpu"
    };
  }

  private static Path walk(
      String name, List<String> extracting, List<String> training, List<String> evaluating)
      throws Exception {
    Path home = Files.createDirectory(folder.resolve(name));
    run(name + "-extract.log", extracting, extract(home));
    run(name + "-train.log", training, train(home, 3));
    run(name + "-evaluate.log", evaluating, evaluate(home));
    return home;
  }

  private static void assertSame(Path home) throws IOException {
    assertThat(home.resolve("outputs/vq/last.ckpt"))
        .hasSameBinaryContentAs(local.resolve("outputs/vq/last.ckpt"));
    String summary = "outputs/vq/evaluation/test/summary.json";
    assertThat(home.resolve(summary)).hasSameTextualContentAs(local.resolve(summary));
    try (Stream<Path> files = Files.list(home.resolve("emb"))) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder("v1", "rejects", "metrics");
    }
  }

  @Test
  void theWalkOnTwoWorkersGivesTheSameBytesInTurkishAtNoonInKathmandu() throws Exception {
    String elsewhere = "-Duser.language=tr -Duser.country=TR -Duser.timezone=Asia/Kathmandu";
    List<String> options = new ArrayList<>(cluster.options());
    options.addAll(List.of("--driver-java-options", elsewhere));
    options.addAll(List.of("--conf", "spark.executor.extraJavaOptions=" + elsewhere));
    assertSame(walk("client", options, options, options));
  }

  @Test
  void soDoesATrainingWhoseDriverTheClusterRuns() throws Exception {
    List<String> deployed = new ArrayList<>(cluster.options());
    deployed.addAll(List.of("--deploy-mode", "cluster"));
    deployed.addAll(List.of("--conf", "spark.standalone.submit.waitAppCompletion=true"));
    deployed.addAll(List.of("--driver-memory", "1200m"));
    assertSame(walk("deployed", LOCAL, deployed, LOCAL));
  }
}
