package io.squeeze.jobs.cli;

import io.squeeze.jobs.spark.Console;
import io.squeeze.track.Tracking;
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

  public static void main(String[] args) {
    int code = run(args);
    Tracking.settle();
    if (SparkSession.getDefaultSession().isDefined()) {
      SparkSession.getDefaultSession().get().stop();
    }
    System.exit(code);
  }

  /** Runs a command in this JVM; its exit code. */
  public static int run(String... args) {
    CommandLine line = Commands.all();
    line.setExecutionExceptionHandler((thrown, command, parsed) -> failed(thrown));
    line.setParameterExceptionHandler(Squeeze::misused);
    return line.execute(Arguments.normalised(args));
  }

  private static int failed(Exception thrown) {
    Failure failure = Failure.of(thrown);
    if (failure.code() == Failure.UNEXPECTED) {
      LOG.error("Unexpected failure", thrown);
    } else {
      LOG.debug("Cause", thrown);
    }
    Console.error(failure.sentence());
    return failure.code();
  }

  private static int misused(ParameterException e, String[] args) {
    CommandLine line = e.getCommandLine();
    Console.error(e.getMessage() + "; see submit/squeeze " + line.getCommandName() + " --help");
    return USAGE;
  }
}
