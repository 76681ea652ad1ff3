package io.squeeze.jobs.console;

import io.squeeze.config.SqueezeException;
import io.squeeze.config.SqueezeException.Category;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a user is told of an exception.
 *
 * @param sentence the cause, and what mends it
 * @param code the process's exit code
 */
public record Failure(String sentence, int code) {
  public static final int UNEXPECTED = 1;

  private static final int DEEPEST = 32;
  private static final int STOPPED = 143;

  /** Spark names the file of a table that it was reading; the root says what is wrong with it. */
  private static final Pattern READING = Pattern.compile("while reading file (\\S+)\\. ");

  /** Of what a command threw; Spark wraps what a task throws. */
  public static Failure of(Throwable thrown) {
    SqueezeException ours = SqueezeException.find(thrown);
    if (ending()) {
      // Whatever was thrown follows from that: hooks close what the command still uses.
      return new Failure(
          "Stopped by a signal: run the same command again, which continues with the complete files",
          STOPPED);
    }
    if (ours != null) {
      return of(ours.category(), ours.getMessage());
    }
    List<Throwable> chain = new ArrayList<>();
    for (Throwable t = thrown; t != null && chain.size() < DEEPEST; t = t.getCause()) {
      chain.add(t);
    }
    String root = firstLine(chain.get(chain.size() - 1));
    for (Throwable t : chain) {
      String message = String.valueOf(t.getMessage());
      if (t instanceof IOException && message.contains("No space left")) {
        return of(Category.RESOURCE, "No space left on the device: " + firstLine(thrown));
      }
      if (message.contains("SparkContext was shut down")
          || message.contains("stopped SparkContext")) {
        return of(
            Category.RESOURCE,
            ("Spark ended before the command (%s): the cluster's log has the cause; run the same"
                    + " command again, which continues with the complete files")
                .formatted(root));
      }
      if (t instanceof AccessDeniedException denied) {
        return of(Category.INPUT, "No permission for " + denied.getFile());
      }
      if (t instanceof FileSystemException file
          && String.valueOf(file.getReason()).contains("name too long")) {
        return of(
            Category.CONFIGURATION,
            "A name is too long for the file system: %s; choose a shorter one"
                .formatted(file.getFile()));
      }
      if (t instanceof StackOverflowError) {
        return of(Category.INPUT, "A text (SQL, JSON or settings) is nested too deeply to be read");
      }
      Matcher reading = READING.matcher(message);
      if (reading.find()) {
        return of(
            Category.INPUT,
            ("Cannot read the file %s (%s): if it is damaged, delete the version that holds "
                    + "it and write that again")
                .formatted(reading.group(1), root));
      }
    }
    return new Failure(root, UNEXPECTED);
  }

  private static Failure of(Category category, String sentence) {
    return new Failure(sentence, category.exitCode());
  }

  /** Whether a signal ends this process: then, and only then, no hook can be added any more. */
  private static boolean ending() {
    Thread hook = new Thread(() -> {});
    try {
      Runtime.getRuntime().addShutdownHook(hook);
      Runtime.getRuntime().removeShutdownHook(hook);
      return false;
    } catch (IllegalStateException e) {
      return true;
    }
  }

  private static String firstLine(Throwable thrown) {
    return thrown.toString().lines().findFirst().orElse("");
  }
}
