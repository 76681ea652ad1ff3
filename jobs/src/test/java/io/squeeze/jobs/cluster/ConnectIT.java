package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.squeeze.jobs.Shared;
import io.squeeze.jobs.TinyBackbone;
import io.squeeze.jobs.spark.SparkBuild;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import javax.tools.ToolProvider;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Spark Connect's server with our jar, and its JVM client in a process without it. */
@Timeout(200)
@Tag("cluster")
class ConnectIT {
  private static final Path CONNECT = Path.of("target/connect").toAbsolutePath();
  private static final Path JARS = Path.of("target/spark-home/jars").toAbsolutePath();

  @TempDir Path folder;

  @Test
  void functionsEstimatorAndTransformerWorkFromAClient() throws Exception {
    assumeThat(SparkBuild.read().line()).as("its server is there for Spark 4.2").isEqualTo("4.2");
    Path table = folder.resolve("table");
    SparkSession spark = Shared.session();
    spark
        .sql("SELECT id, array(float(id % 4), float(id % 2), 1f) AS v FROM range(40)")
        .write()
        .parquet(table.toString());
    Path photos = Files.createDirectory(folder.resolve("photos"));
    for (int i = 0; i < 3; i++) {
      BufferedImage photo = new BufferedImage(300, 240, BufferedImage.TYPE_INT_RGB);
      photo.createGraphics().fillOval(40 * i, 20, 120, 160);
      ImageIO.write(photo, "png", photos.resolve(i + ".png").toFile());
    }
    Path backbone = TinyBackbone.write(folder.resolve("tiny.pt"), 1);
    int port = Standalone.freePort();
    Path log = folder.resolve("server.log");
    Process server = server(port, log);
    try {
      List<String> said =
          client(
              "sc://127.0.0.1:" + port,
              server,
              log,
              table,
              folder.resolve("model"),
              backbone,
              photos);
      assertThat(said).contains("cosine [0.96]", "photos [24,3]");
      // Four vectors, ten times each, and four codes: each vector has its own, without an error.
      List<String> codes = said.stream().filter(line -> line.startsWith("codes")).toList();
      assertThat(codes).hasSize(40);
      assertThat(codes.stream().map(line -> line.replaceAll("\\d+,", "")).distinct()).hasSize(4);
      List<String> decoded = said.stream().filter(line -> line.startsWith("decoded")).toList();
      assertThat(decoded).hasSize(40).allMatch(line -> line.endsWith(",0.0]"));
    } finally {
      server.destroy();
      server.waitFor(30, TimeUnit.SECONDS);
    }
  }

  /** As start-connect-server.sh starts it. */
  private Process server(int port, Path log) throws IOException {
    Path natives = Path.of("target/natives").toAbsolutePath();
    String jars =
        Stream.concat(jars(natives), Stream.of(Path.of("target/embeddings-squeeze.jar")))
            .map(jar -> jar.toAbsolutePath().toString())
            .collect(Collectors.joining(","));
    List<String> command = new ArrayList<>(Standalone.spark());
    command.set(2, joined(jars(CONNECT).filter(jar -> !client(jar))) + command.get(2));
    command.addAll(List.of("-Xmx1g", "org.apache.spark.deploy.SparkSubmit"));
    command.addAll(List.of("--master", "local[2]", "--jars", jars));
    command.addAll(List.of("--conf", "spark.sql.extensions=io.squeeze.jobs.sql.SqueezeExtensions"));
    command.addAll(List.of("--conf", "spark.connect.grpc.binding.port=" + port));
    command.addAll(List.of("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"));
    command.add("spark-internal");
    return started(command, log);
  }

  private List<String> client(String remote, Process server, Path serverLog, Path... arguments)
      throws Exception {
    // Spark's client brings its own sessions, which must not meet those of Spark SQL.
    List<String> others = List.of("core", "sql", "catalyst", "mllib", "mllib-local");
    String path =
        joined(jars(CONNECT).filter(ConnectIT::client))
            + joined(
                jars(JARS)
                    .filter(
                        jar ->
                            others.stream()
                                .noneMatch(
                                    other ->
                                        jar.getFileName()
                                            .toString()
                                            .startsWith("spark-" + other + "_"))));
    Path classes = Files.createDirectory(folder.resolve("classes"));
    int compiled =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                null,
                null,
                "-cp",
                path,
                "-d",
                classes.toString(),
                "src/test/connect/ConnectClient.java");
    assertThat(compiled).isZero();
    List<String> command = new ArrayList<>(Standalone.spark());
    command.set(2, classes + ":" + path);
    command.addAll(List.of("ConnectClient", remote));
    Stream.of(arguments).map(Path::toString).forEach(command::add);
    awaitPort(server, serverLog);
    Path log = folder.resolve("client.log");
    Process client = started(command, log);
    assertThat(client.waitFor(100, TimeUnit.SECONDS)).as(Files.readString(log)).isTrue();
    String said = Files.readString(log);
    assertThat(client.exitValue()).as(said + Files.readString(serverLog)).isZero();
    return said.lines().toList();
  }

  /** Waits until the server has said where it listens. */
  private static void awaitPort(Process server, Path log) throws Exception {
    while (!Files.readString(log).contains("Spark Connect server started")) {
      assertThat(server.isAlive()).as(Files.readString(log)).isTrue();
      Thread.sleep(100);
    }
  }

  private Process started(List<String> command, Path log) throws IOException {
    return new ProcessBuilder(command)
        .directory(folder.toFile())
        .redirectErrorStream(true)
        .redirectOutput(log.toFile())
        .start();
  }

  private static Stream<Path> jars(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> file.toString().endsWith(".jar")).sorted().toList().stream();
    }
  }

  private static boolean client(Path jar) {
    String name = jar.getFileName().toString();
    return name.startsWith("spark-connect-client-jvm_") || name.startsWith("spark-connect-shims_");
  }

  private static String joined(Stream<Path> jars) {
    return jars.map(jar -> jar + ":").collect(Collectors.joining());
  }
}
