package io.squeeze.jobs.cli;

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
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** submit/squeeze as a user runs it: a process of its own, from a folder with an awkward name. */
@Timeout(300)
@Tag("cluster")
class CommandLineIT {
  @TempDir static Path folder;
  private static Path home;

  @BeforeAll
  static void extract() throws Exception {
    home = Files.createDirectory(folder.resolve("my [new] work"));
    TinyBackbone.write(home.resolve("tiny.pt"), 1);
    new Shapes(3).write(home.resolve("shapes"), 36);
    // Two executors in folders of their own: relative paths must mean the user's.
    List<String> words = new ArrayList<>(List.of("--master", "local-cluster[2,1,2048]"));
    words.addAll(List.of("--conf", "spark.executor.memory=1g"));
    words.addAll(List.of("extract", "--model", "tiny.pt"));
    words.addAll(List.of("--data-path=shapes", "--embeddings", "emb"));
    Command extracted = squeeze(words);
    assertThat(extracted.code()).as(extracted.err()).isZero();
    assertThat(extracted.out()).contains("/my [new] work/emb/v1");
    assertThat(extracted.err()).contains("{test=12, trainval=24} rows");
  }

  private static Command squeeze(List<String> words) throws Exception {
    Path out = folder.resolve("out");
    Path err = folder.resolve("err");
    Process process =
        Submit.squeeze(home, words)
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    assertThat(process.waitFor(200, TimeUnit.SECONDS)).isTrue();
    return new Command(process.exitValue(), Files.readString(out), Files.readString(err));
  }

  /** A training whose paths begin so. */
  private static List<String> train(String at, String name, String lr) {
    List<String> words = new ArrayList<>(List.of("train", "--embeddings", at + "emb"));
    words.addAll(List.of("--output_dir", at + "outputs", "--experiment_name", name));
    words.addAll(List.of("--epochs", "6", "--lr", lr, "--shards", "2", "--codebook_size", "16"));
    return words;
  }

  @Test
  void aKilledTrainingGoesOnToTheBytesOfAnUndisturbedOne() throws Exception {
    Path err = folder.resolve("killed.err");
    List<String> words = new ArrayList<>(List.of("--master", "local[2]"));
    words.addAll(train("", "killed", "1e-3"));
    Process process =
        Submit.squeeze(home, words)
            .redirectError(err.toFile())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    while (!Files.readString(err).contains("epoch 2/6") && process.isAlive()) {
      Thread.sleep(20);
    }
    process.destroyForcibly().waitFor();
    assertThat(Files.readString(err)).doesNotContain(" INFO ");

    List<String> again = train(home + "/", "killed", "1e-3");
    again.add("--resume");
    Command resumed = Command.run(again.toArray(String[]::new));
    assertThat(resumed.code()).as(resumed.err()).isZero();
    assertThat(resumed.err())
        .containsPattern("Going on after epoch [2-5] of 6")
        .doesNotContain("epoch 1/6");
    Command whole = Command.run(train(home + "/", "whole", "1e-3").toArray(String[]::new));
    assertThat(whole.code()).as(whole.err()).isZero();
    for (String checkpoint : List.of("last.ckpt", "best.ckpt")) {
      assertThat(home.resolve("outputs/killed").resolve(checkpoint))
          .hasSameBinaryContentAs(home.resolve("outputs/whole").resolve(checkpoint));
    }
    Command other = squeeze(train("", "killed", "9"));
    assertThat(other.code()).as(other.err()).isEqualTo(3);
    assertThat(other.lastLine()).startsWith("ERROR ").contains("train.lr: is 1e-3, asked for 9");
  }
}
