package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.dataset.Shapes;
import io.squeeze.jobs.TinyBackbone;
import io.squeeze.jobs.spark.SparkBuild;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The job alone, which spark-submit resolves from a repository with all that it needs. */
@Timeout(200)
@Tag("cluster")
class PackagesIT {
  private static final String VERSION = "0.1.0";
  private static final SparkBuild SPARK = SparkBuild.read();
  private static final String JOBS = "squeeze-jobs-spark-" + SPARK.line() + "_" + SPARK.scala();

  @TempDir Path folder;

  @Test
  void aTrainingRunsFromItsCoordinates() throws Exception {
    new Shapes(3).write(folder.resolve("shapes"), 24);
    TinyBackbone.write(folder.resolve("tiny.pt"), 1);
    publish("embeddings-squeeze", "../pom.xml", null);
    publish("squeeze-common", "../common/pom.xml", "../common/target");
    Path jar = publish(JOBS, "target/flattened.pom", "target");
    List<String> words =
        List.of(
            "org.apache.spark.deploy.SparkSubmit",
            "--master",
            "local[2]",
            "--conf",
            "spark.jars.ivy=" + folder.resolve("ivy"),
            "--repositories",
            folder.resolve("repository").toUri().toString(),
            "--packages",
            "io.squeeze:" + JOBS + ":" + VERSION,
            "--class",
            "io.squeeze.jobs.cli.Squeeze",
            jar.toString(),
            "train",
            "--model",
            folder + "/tiny.pt",
            "--data_path",
            folder + "/shapes",
            "--embeddings",
            folder + "/emb",
            "--epochs",
            "1",
            "--output_dir",
            folder + "/outputs",
            "--experiment_name",
            "alone");
    List<String> command = new ArrayList<>(Standalone.spark());
    command.addAll(words);
    Path log = folder.resolve("log");
    Process process =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    assertThat(process.waitFor(150, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as(Files.readString(log)).isZero();
    assertThat(folder.resolve("outputs/alone/last.ckpt")).exists();
    assertThat(Files.readString(log)).contains("found io.squeeze#" + JOBS + ";" + VERSION);
  }

  /** Puts a module into the repository; its jar's path there. */
  private Path publish(String module, String pom, String target) throws IOException {
    String name = module + "-" + VERSION;
    Path place = folder.resolve("repository/io/squeeze/" + module + "/" + VERSION);
    Files.createDirectories(place);
    Files.copy(Path.of(pom), place.resolve(name + ".pom"));
    Path jar = place.resolve(name + ".jar");
    if (target != null) {
      Files.copy(Path.of(target, name + ".jar"), jar);
    }
    return jar;
  }
}
