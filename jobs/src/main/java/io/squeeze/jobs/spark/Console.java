package io.squeeze.jobs.spark;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.track.Voice;
import java.io.IOException;
import java.io.PrintStream;

/** What the user reads: results on standard output, the story and warnings on standard error. */
@SuppressWarnings({"SystemOut", "SystemConsoleNull"}) // built and run on Java 17
public final class Console {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final ThreadLocal<String> SPEAKER = ThreadLocal.withInitial(() -> "");

  private static volatile boolean quiet;
  private static volatile boolean json;

  private Console() {}

  /**
   * How a command speaks.
   *
   * @param withoutStory nothing but results, warnings and errors
   * @param asJson instead of results for people one line of JSON
   */
  public static void speak(boolean withoutStory, boolean asJson) {
    quiet = withoutStory;
    json = asJson;
  }

  /** Names who speaks on this thread, where several do; empty for nobody. */
  public static void speaker(String name) {
    SPEAKER.set(name.isEmpty() ? "" : "[" + name + "] ");
  }

  /** A line of the result. */
  public static void result(String line) {
    if (!json) {
      System.out.println(line);
    }
  }

  /** The result as a script reads it. */
  public static void outcome(Object outcome) throws IOException {
    if (json) {
      System.out.println(JSON.writeValueAsString(outcome));
    }
  }

  /** Where results go. */
  public static PrintStream results() {
    return System.out;
  }

  /** A line of the story. */
  public static void say(String line) {
    if (!quiet) {
      System.err.println(SPEAKER.get() + line);
    }
  }

  /** Why a command ends: its last line. */
  public static void error(String line) {
    System.err.println("ERROR " + line);
  }

  /** Something that the user should know, and that does not end the job. */
  public static void warn(String line) {
    System.err.println("WARN " + SPEAKER.get() + line);
  }

  /** Speaks on any thread as this one does. */
  public static Voice voice() {
    String speaker = SPEAKER.get();
    return new Voice() {
      @Override
      public void say(String sentence) {
        SPEAKER.set(speaker);
        Console.say(sentence);
      }

      @Override
      public void warn(String sentence) {
        SPEAKER.set(speaker);
        Console.warn(sentence);
      }
    };
  }

  static PrintStream stories() {
    return System.err;
  }

  static boolean terminal() {
    return !quiet && System.console() != null && System.getenv("TERM") != null;
  }
}
