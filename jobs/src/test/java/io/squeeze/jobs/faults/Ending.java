package io.squeeze.jobs.faults;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Ends the JVM of an executor at an operation of {@link FaultyFileSystem}, once in a test: {@value
 * #AT} is a pattern of operation and path, {@value #MARK} a file that says that it has happened.
 */
final class Ending {
  static final String AT = "fs.faulty.end-at";
  static final String MARK = "fs.faulty.end-mark";

  private static final int KILLED = 137;

  private Ending() {}

  static void at(Configuration configuration, String operation, Path path) throws IOException {
    String pattern = configuration.get(AT);
    if (pattern == null || !(operation + " " + path.toUri().getPath()).matches(pattern)) {
      return;
    }
    try {
      Files.createFile(java.nio.file.Path.of(configuration.get(MARK)));
    } catch (FileAlreadyExistsException e) {
      return;
    }
    Runtime.getRuntime().halt(KILLED);
  }
}
