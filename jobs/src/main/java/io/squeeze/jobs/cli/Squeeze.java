package io.squeeze.jobs.cli;

import io.squeeze.jobs.console.Failure;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.track.Tracking;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkUserAppException;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** The command line. */
public final class Squeeze {
  private static final Logger LOG = LoggerFactory.getLogger(Squeeze.class);
  private static final int USAGE = 2;

  private Squeeze() {}

  public static void main(String[] args) throws SparkUserAppException {
    SparkConf conf = new SparkConf();
    int code = run(Reporter.standard(), args);
    Tracking.settle();
    if (SparkSession.getDefaultSession().isDefined()) {
      SparkSession.getDefaultSession().get().stop();
    }
    if (!conf.get("spark.master", "").equals("yarn")
        || !conf.get("spark.submit.deployMode", "").equals("cluster")) {
      System.exit(code);
    }
    // YARN's application master takes a driver that exits for one that failed, and tries it again.
    if (code != 0) {
      throw SparkInternals.failed(code);
    }
  }

  /** The exit code of a command that needs no Spark: help, or a mistake in its options. */
  static OptionalInt answer(Reporter reporter, String... args) {
    try {
      Integer helped =
          CommandLine.executeHelpRequest(line(reporter).parseArgs(Arguments.normalised(args)));
      return helped == null ? OptionalInt.empty() : OptionalInt.of(helped);
    } catch (ParameterException e) {
      return OptionalInt.of(misused(reporter, e));
    }
  }

  /** Runs a command in this JVM; its exit code. */
  public static int run(Reporter reporter, String... args) {
    CommandLine line = line(reporter);
    line.setExecutionExceptionHandler((thrown, command, parsed) -> failed(reporter, thrown));
    line.setParameterExceptionHandler((misuse, words) -> misused(reporter, misuse));
    try {
      return line.execute(Arguments.normalised(args));
    } catch (Error e) {
      // Hadoop reports a full disk as an Error, and a full heap is an Error, too.
      return failed(reporter, e);
    }
  }

  private static CommandLine line(Reporter reporter) {
    return Commands.all(reporter)
        .setOut(new PrintWriter(reporter.results(), true, StandardCharsets.UTF_8));
  }

  private static int failed(Reporter reporter, Throwable thrown) {
    Failure failure = Failure.of(thrown);
    if (failure.code() == Failure.UNEXPECTED) {
      LOG.error("Unexpected failure", thrown);
    } else {
      LOG.debug("Cause", thrown);
    }
    // The trackers' last warnings come first, so that the cause is the last line.
    Tracking.settle();
    reporter.error(failure.sentence());
    return failure.code();
  }

  private static int misused(Reporter reporter, ParameterException e) {
    CommandLine line = e.getCommandLine();
    reporter.error(e.getMessage() + "; see submit/squeeze " + line.getCommandName() + " --help");
    return USAGE;
  }
}
