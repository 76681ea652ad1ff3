package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.dataset.Shapes;
import io.squeeze.jobs.Submit;
import io.squeeze.jobs.TinyBackbone;
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
  @TempDir static Path folder;
  private static Standalone cluster;
  private static Path local;

  @BeforeAll
  static void start() throws Exception {
    new Shapes(3).write(folder.resolve("shapes"), 36);
    TinyBackbone.write(folder.resolve("tiny.pt"), 1);
    cluster = new Standalone(Files.createDirectory(folder.resolve("cluster")));
    local = walk("local", List.of("--master", "local[2]"));
  }

  @AfterAll
  static void stop() {
    if (cluster != null) {
      cluster.close();
    }
  }

  private static void run(String log, List<String> options, String... command) throws Exception {
    List<String> words = new ArrayList<>(options);
    words.addAll(List.of(command));
    Process process =
        Submit.squeeze(folder, words)
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve(log).toFile())
            .start();
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

  private static String[] train(Path extracted, Path home) {
    return new String[] {
      "train",
      "--embeddings",
      extracted + "/emb",
      "--codebook_size",
      "16",
      "--lr",
      "1e-3",
      "--shards",
      "3",
      "--epochs",
      "3",
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

  private static Path walk(String name, List<String> options) throws Exception {
    Path home = Files.createDirectory(folder.resolve(name));
    run(name + "-extract.log", options, extract(home));
    run(name + "-train.log", options, train(home, home));
    run(name + "-evaluate.log", options, evaluate(home));
    return home;
  }

  @Test
  void theWalkOnTwoWorkersGivesTheSameBytesInTurkishAtNoonInKathmandu() throws Exception {
    String elsewhere = "-Duser.language=tr -Duser.country=TR -Duser.timezone=Asia/Kathmandu";
    List<String> options = new ArrayList<>(cluster.options());
    options.addAll(List.of("--driver-java-options", elsewhere));
    options.addAll(List.of("--conf", "spark.executor.extraJavaOptions=" + elsewhere));
    Path home = walk("client", options);
    assertTrainedAsLocally(home);
    String summary = "outputs/vq/evaluation/test/summary.json";
    assertThat(home.resolve(summary)).hasSameTextualContentAs(local.resolve(summary));
    try (Stream<Path> files = Files.list(home.resolve("emb"))) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder("v1", "rejects", "metrics");
    }
  }

  @Test
  void soDoesATrainingWhoseDriverTheClusterRuns() throws Exception {
    List<String> deployed = new ArrayList<>(cluster.options());
    deployed.addAll(List.of("--deploy-mode", "cluster"));
    deployed.addAll(List.of("--conf", "spark.standalone.submit.waitAppCompletion=true"));
    deployed.addAll(List.of("--driver-memory", "1200m"));
    Path home = Files.createDirectory(folder.resolve("deployed"));
    run("deployed-train.log", deployed, train(local, home));
    assertTrainedAsLocally(home);
  }

  private static void assertTrainedAsLocally(Path home) {
    assertThat(home.resolve("outputs/vq/last.ckpt"))
        .hasSameBinaryContentAs(local.resolve("outputs/vq/last.ckpt"));
  }
}
