package io.squeeze.jobs.console;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.track.UserMessages;
import java.io.IOException;
import java.io.PrintStream;

/** What the user reads: results on standard output, progress and warnings on standard error. */
@SuppressWarnings({"SystemOut", "SystemConsoleNull"}) // built and run on Java 17
public final class Reporter implements UserMessages {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final PrintStream out;
  private final PrintStream err;
  private final boolean quiet;
  private final boolean json;
  private final String prefix;

  private Reporter(PrintStream out, PrintStream err, boolean quiet, boolean json, String prefix) {
    this.out = out;
    this.err = err;
    this.quiet = quiet;
    this.json = json;
    this.prefix = prefix;
  }

  /** Writes to two streams. */
  public Reporter(PrintStream out, PrintStream err) {
    this(out, err, false, false, "");
  }

  /** Writes to the streams of this process. */
  public static Reporter standard() {
    return new Reporter(System.out, System.err);
  }

  /**
   * The same for a command's switches.
   *
   * @param withoutProgress writes results, warnings and errors alone
   * @param asJson writes the result as one line of JSON, not for people
   */
  public Reporter as(boolean withoutProgress, boolean asJson) {
    return new Reporter(out, err, withoutProgress, asJson, prefix);
  }

  /** The same where several runs report at a time: lines on standard error begin with the name. */
  public Reporter named(String run) {
    return new Reporter(out, err, quiet, json, "[" + run + "] ");
  }

  /** A line of the result, for people. */
  public void result(String line) {
    if (!json) {
      out.println(Printable.of(line));
    }
  }

  /** The result, for scripts. */
  public void outcome(Object outcome) throws IOException {
    if (json) {
      out.println(JSON.writeValueAsString(outcome));
    }
  }

  /** Where results go. */
  public PrintStream results() {
    return out;
  }

  /** Tells of the job's progress. */
  @Override
  public void say(String line) {
    if (!quiet) {
      err.println(Printable.of(prefix + line));
    }
  }

  /** Tells of something that the user should know, and that does not end the job. */
  @Override
  public void warn(String line) {
    err.println(Printable.of("WARN " + prefix + line));
  }

  /** Tells why a command ends: its last line. */
  public void error(String line) {
    err.println(Printable.of("ERROR " + line));
  }

  PrintStream progress() {
    return err;
  }

  /** Whether progress is shown on a terminal. */
  boolean terminal() {
    return !quiet && err == System.err && System.console() != null && System.getenv("TERM") != null;
  }
}
