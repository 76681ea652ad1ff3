package io.squeeze.jobs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What a test does to a process, and sees of it, from outside. */
public final class Outside {
  private Outside() {}

  /** Sends a signal; 0 where it arrived. */
  public static int signal(String name, ProcessHandle process) throws Exception {
    return new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start().waitFor();
  }

  /** Whether a folder holds a file whose name ends so, however deep; others may write to it. */
  public static boolean holds(Path folder, String end) throws IOException {
    if (!Files.exists(folder)) {
      return false;
    }
    try (Stream<Path> files = Files.walk(folder)) {
      return files.anyMatch(file -> file.toString().endsWith(end));
    } catch (UncheckedIOException e) {
      return false; // a file went while it was looked at
    }
  }

  /** What this process takes of the machine's memory, in KiB. */
  public static long resident() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("VmRSS"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
        .findFirst()
        .orElseThrow();
  }
}
