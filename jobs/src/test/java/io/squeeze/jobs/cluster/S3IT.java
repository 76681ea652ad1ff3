package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.Submit;
import io.squeeze.jobs.Walk;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.spark.SparkBuild;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.jobs.train.TrainJob;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FileUtil;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Photos, embeddings and runs on an object store: a server that speaks S3, a process of its own.
 */
@Timeout(200)
class S3IT {
  private static final Path SERVER = Path.of("target/s3mock/s3mock-exec.jar").toAbsolutePath();

  @TempDir Path folder;

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private Process serve(int port) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(
            Submit.java(),
            "-Xmx512m",
            "-jar",
            SERVER.toString(),
            "--com.adobe.testing.s3mock.httpPort=" + port,
            "--server.port=" + freePort(),
            "--com.adobe.testing.s3mock.store.initialBuckets=bucket",
            "--com.adobe.testing.s3mock.store.root=" + Files.createDirectory(folder.resolve("s3")));
    Process process =
        builder.redirectErrorStream(true).redirectOutput(folder.resolve("s3.log").toFile()).start();
    long until = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (!answers(port)) {
      if (System.nanoTime() > until || !process.isAlive()) {
        process.destroyForcibly();
        throw new IllegalStateException(Files.readString(folder.resolve("s3.log")));
      }
      Thread.sleep(200);
    }
    return process;
  }

  private static boolean answers(int port) {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      return socket.isConnected();
    } catch (IOException e) {
      return false;
    }
  }

  @Test
  void theWalkLivesOnAnObjectStore() throws Exception {
    Walk local = Shared.walk();
    SparkSession spark = Shared.session();
    int port = freePort();
    Process server = serve(port);
    try {
      Map.of(
              "fs.s3a.endpoint", "http://127.0.0.1:" + port,
              "fs.s3a.path.style.access", "true",
              "fs.s3a.access.key", "key",
              "fs.s3a.secret.key", "secret",
              "fs.s3a.change.detection.mode", "none")
          .forEach((key, value) -> spark.sparkContext().hadoopConfiguration().set(key, value));
      SqueezeSession session = Fixture.squeeze(spark);
      FileSystem files =
          FileSystem.get(URI.create("s3a://bucket/"), spark.sparkContext().hadoopConfiguration());
      FileUtil.copy(
          local.fixture().photos().toFile(),
          files,
          new org.apache.hadoop.fs.Path("s3a://bucket/shapes"),
          false,
          files.getConf());
      Settings there =
          local
              .settings("track.tensorboard = false")
              .with(
                  ConfigFactory.parseMap(
                      Map.of(
                          "data.path", "s3a://bucket/shapes",
                          "embeddings", "s3a://bucket/emb",
                          "output.dir", "s3a://bucket/outputs")));
      new ExtractJob(session, there).run();
      String checkpoint = TrainJob.run(session, there);
      new EvaluateJob(
              session, new EvaluateJob.Request(checkpoint, local.baseline(), null, "test", null))
          .score();
      try (InputStream in = files.open(new org.apache.hadoop.fs.Path(checkpoint))) {
        assertThat(in.readAllBytes()).isEqualTo(Files.readAllBytes(Path.of(local.checkpoint())));
      }
      HadoopStorage storage = session.storage();
      String summary = "outputs/vq_squeeze/evaluation/test/summary.json";
      assertThat(storage.text("s3a://bucket/" + summary))
          .isEqualTo(Files.readString(local.folder().resolve(summary)));
      assertThat(storage.folders("s3a://bucket/emb")).containsExactly("metrics", "rejects", "v1");
      createsOnce(storage);
    } finally {
      server.destroyForcibly();
    }
  }

  /**
   * Two begin a file at the same time: the store refuses the one that ends last, where Hadoop can
   * ask for that. (The server of this test itself looks and writes in two steps, so no threads.)
   */
  private static void createsOnce(HadoopStorage storage) throws Exception {
    org.apache.hadoop.fs.Path path = new org.apache.hadoop.fs.Path("s3a://bucket/lock");
    FileSystem files = FileSystem.get(path.toUri(), storage.configuration());
    String condition = "fs.option.create.conditional.overwrite";
    boolean promised = files.hasPathCapability(path, condition);
    assertThat(promised).isEqualTo(!SparkBuild.read().line().equals("3.5"));
    if (promised) {
      FSDataOutputStreamBuilder<?, ?> builder = files.createFile(path).overwrite(true);
      builder.must(condition, true);
      OutputStream late = builder.build();
      assertThat(storage.create(path.toString(), "first")).isTrue();
      assertThatThrownBy(late::close).isInstanceOf(IOException.class);
      assertThat(storage.text(path.toString())).isEqualTo("first");
    } else {
      assertThat(storage.create(path.toString(), "first")).isTrue();
    }
    assertThat(storage.create(path.toString(), "late")).isFalse();
  }
}
