package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.dataset.Shapes;
import io.squeeze.jobs.Command;
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
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The fat jar on a real standalone cluster, in client and in cluster deploy mode: the same bytes as
 * on two threads of one process.
 */
@Timeout(400)
@Tag("cluster")
class ClusterIT {
  @TempDir static Path folder;
  private static Standalone cluster;
  private static Path local;

  @BeforeAll
  static void start() throws Exception {
    new Shapes(3).write(folder.resolve("shapes"), 36);
    TinyBackbone.write(folder.resolve("tiny.pt"), 1);
    cluster = new Standalone(Files.createDirectory(folder.resolve("cluster")));
    local = Files.createDirectory(folder.resolve("local"));
    Command here = Command.run(train(local, local));
    assertThat(here.code()).as(here.err()).isZero();
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

  /** A training, and the extraction before it where there are no embeddings. */
  private static String[] train(Path extracted, Path home) {
    List<String> words = new ArrayList<>(List.of("train", "--model", folder + "/tiny.pt"));
    words.addAll(List.of("--data_path", folder + "/shapes", "--device", "cpu"));
    words.addAll(List.of("--embeddings", extracted + "/emb"));
    words.addAll(List.of("--set", "extract.rows-per-file=4", "--codebook_size", "16"));
    words.addAll(List.of("--lr", "1e-3", "--shards", "3", "--epochs", "3"));
    words.addAll(List.of("--averaging_frequency", "2"));
    words.addAll(List.of("--output_dir", home + "/outputs", "--experiment_name", "vq"));
    return words.toArray(String[]::new);
  }

  @Test
  void aTrainingOnTwoWorkersGivesTheSameBytesInTurkishAtNoonInKathmandu() throws Exception {
    String elsewhere = "-Duser.language=tr -Duser.country=TR -Duser.timezone=Asia/Kathmandu";
    List<String> options = new ArrayList<>(cluster.options());
    options.addAll(List.of("--driver-java-options", elsewhere));
    options.addAll(List.of("--conf", "spark.executor.extraJavaOptions=" + elsewhere));
    Path home = Files.createDirectory(folder.resolve("client"));
    run("client-train.log", options, train(home, home));
    assertTrainedAsLocally(home);
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
