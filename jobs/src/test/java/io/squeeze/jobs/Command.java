package io.squeeze.jobs;

import io.squeeze.jobs.cli.Squeeze;
import io.squeeze.jobs.console.Reporter;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * A command that ran in this JVM, on the session that tests share.
 *
 * @param code its exit code
 * @param out what it wrote on standard output
 * @param err what it wrote on standard error
 */
public record Command(int code, String out, String err) {

  /** Runs a command. */
  public static Command run(String... words) {
    Shared.session();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code =
        Squeeze.run(
            new Reporter(
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8)),
            words);
    return new Command(
        code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }

  /** The last line on standard error: the cause, where it failed. */
  public String lastLine() {
    return err.lines().reduce("", (before, line) -> line);
  }
}
