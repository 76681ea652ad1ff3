package io.squeeze.jobs;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.jobs.faults.FaultyFileSystem;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.commons.io.FileUtils;
import org.apache.spark.sql.SparkSession;

/**
 * What the tests of a JVM share: Spark on two threads, and a walk that they read and leave as it
 * is.
 */
public final class Shared {
  private static Walk walk;

  private Shared() {}

  /**
   * A session with views and settings of its own on the Spark that all share; a task may fail
   * twice.
   */
  public static SparkSession session() {
    return FaultyFileSystem.on(Fixture.session("local[2,3]")).getOrCreate().newSession();
  }

  /** The walk; the first who asks walks it. The test processes of a build have one. */
  public static synchronized Walk walk() {
    if (walk == null) {
      String build = System.getProperty("build.started");
      try {
        walk = build == null ? walkOfThisProcess() : walkOf(build, Path.of("target", "walk"));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return walk;
  }

  private static Walk walkOfThisProcess() throws IOException {
    Path folder = Files.createTempDirectory("walk");
    Runtime.getRuntime()
        .addShutdownHook(new Thread(() -> FileUtils.deleteQuietly(folder.toFile())));
    return Walk.below(folder, Fixture.squeeze(session()));
  }

  private static Walk walkOf(String build, Path target) throws IOException {
    Path folder = Files.createDirectories(target.toAbsolutePath());
    Path walked = folder.resolve("walked");
    Path mark = folder.resolve("build");
    try (FileChannel channel = FileChannel.open(folder.resolve("lock"), CREATE, WRITE);
        FileLock lock = channel.lock()) {
      assertThat(lock.isValid()).isTrue();
      if (Files.exists(mark) && Files.readString(mark).equals(build)) {
        return Walk.at(walked);
      }
      FileUtils.deleteDirectory(walked.toFile());
      Walk made = Walk.below(Files.createDirectory(walked), Fixture.squeeze(session()));
      Files.writeString(mark, build);
      return made;
    }
  }
}
