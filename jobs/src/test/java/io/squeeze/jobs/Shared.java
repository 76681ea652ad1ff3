package io.squeeze.jobs;

import io.squeeze.jobs.faults.FaultyFileSystem;
import java.io.IOException;
import java.io.UncheckedIOException;
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

  /** The walk; the first who asks walks it. */
  public static synchronized Walk walk() {
    if (walk == null) {
      try {
        Path folder = Files.createTempDirectory("walk");
        Runtime.getRuntime()
            .addShutdownHook(new Thread(() -> FileUtils.deleteQuietly(folder.toFile())));
        walk = Walk.below(folder, Fixture.squeeze(session()));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return walk;
  }
}
