package io.squeeze.jobs.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.dataset.Shapes;
import io.squeeze.jobs.Command;
import io.squeeze.jobs.Submit;
import io.squeeze.jobs.TinyBackbone;
import java.nio.charset.StandardCharsets;
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
    words.addAll(List.of("--epochs", "1", "--lr", lr, "--shards", "2", "--codebook_size", "16"));
    return words;
  }

  @Test
  void anotherRunOfTheSameNameIsRefusedWithItsExitCode() throws Exception {
    Command first = Command.run(train(home + "/", "run", "1e-3").toArray(String[]::new));
    assertThat(first.code()).as(first.err()).isZero();
    Command other = squeeze(train("", "run", "9"));
    assertThat(other.code()).as(other.err()).isEqualTo(3);
    assertThat(other.lastLine()).startsWith("ERROR ").contains("train.lr: is 1e-3, asked for 9");
    assertThat(other.err()).doesNotContain(" INFO ");
  }

  @Test
  void theClassesOfACommandComeFromTheArchiveOfTheBuild() throws Exception {
    Path loaded = folder.resolve("loaded");
    ProcessBuilder builder = Submit.squeeze(home, List.of("query", "--sql", "SELECT 1"));
    builder.environment().put("SPARK_SUBMIT_OPTS", "-Xlog:class+load=info:file=" + loaded);
    assertThat(builder.start().waitFor()).isZero();
    assertThat(Files.readString(loaded))
        .contains("io.squeeze.jobs.query.QueryJob source: shared objects file (top)")
        .contains("org.apache.spark.SparkContext source: shared objects file (top)");
  }

  @Test
  void aPathThatIsNotThereIsOneSentenceWithoutATrace() throws Exception {
    Command query = squeeze(List.of("query", "--sql", "SELECT * FROM parquet.`nowhere`"));
    assertThat(query.code()).isEqualTo(2);
    assertThat(query.err()).doesNotContain("\tat ").doesNotContain(" WARN ");
    assertThat(query.lastLine()).startsWith("ERROR [PATH_NOT_FOUND]");
  }

  private static void refused(String script, int code, String sentence) throws Exception {
    ProcessBuilder builder = Submit.squeeze(home, List.of("gc"));
    String squeeze = builder.command().get(0);
    builder.command("bash", "-c", script.formatted(squeeze));
    Process process = builder.redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(said).isEqualTo(code);
    assertThat(said).startsWith("ERROR ").contains(sentence);
    assertThat(said.lines()).hasSize(1);
  }

  @Test
  void whatTheScriptCanKnowItSaysBeforeJavaStarts() throws Exception {
    refused("TMPDIR=/proc/none %s gc", 5, "set TMPDIR to a folder for temporary files");
    refused("JAVA_HOME=/none %s gc", 5, "There is no /none/bin/java: install a JDK");
    refused("SPARK_HOME=/none %s gc", 2, "There is no bin/spark-submit in SPARK_HOME = /none");
    refused("ulimit -n 300; %s gc", 5, "Only 300 files may be open at a time");
    refused("%s --queue", 2, "--queue needs a value");
    if (Files.readString(Path.of("/proc/mounts")).matches("(?s).* /dev/shm \\S+ \\S*noexec.*")) {
      refused("TMPDIR=/dev/shm %s gc", 5, "Nothing can be run in /dev/shm");
    }
  }
}
