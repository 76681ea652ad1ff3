package io.squeeze.jobs;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** {@code submit/squeeze} as a user runs it: a process of its own. */
public final class Submit {
  private static final Path SQUEEZE = Path.of("../submit/squeeze").toAbsolutePath().normalize();

  private Submit() {}

  /** The program of the JVM that runs the tests, for processes of their own. */
  public static String java() {
    return Path.of(System.getProperty("java.home"), "bin", "java").toString();
  }

  /** A command to be started in a folder, with the Spark that the build laid out. */
  public static ProcessBuilder squeeze(Path folder, List<String> words) {
    List<String> command = new ArrayList<>(List.of(SQUEEZE.toString()));
    command.addAll(words);
    ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
    builder.environment().remove("SPARK_HOME");
    builder.environment().put("SPARK_DRIVER_MEMORY", "1500m");
    return builder;
  }
}
