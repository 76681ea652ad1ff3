package io.squeeze.jobs.spark;

import io.squeeze.track.Voice;
import java.io.PrintStream;

/** What the user reads: results on standard output, the story and warnings on standard error. */
@SuppressWarnings({"SystemOut", "SystemConsoleNull"}) // built and run on Java 17
public final class Console {
  private static final ThreadLocal<String> SPEAKER = ThreadLocal.withInitial(() -> "");

  private Console() {}

  /** Names who speaks on this thread, where several do; empty for nobody. */
  public static void speaker(String name) {
    SPEAKER.set(name.isEmpty() ? "" : "[" + name + "] ");
  }

  /** A line of the result. */
  public static void result(String line) {
    System.out.println(line);
  }

  /** Where results go. */
  public static PrintStream results() {
    return System.out;
  }

  /** A line of the story. */
  public static void say(String line) {
    System.err.println(SPEAKER.get() + line);
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
    return System.console() != null && System.getenv("TERM") != null;
  }
}
