package io.squeeze.jobs.cli;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.spark.Console;
import io.squeeze.track.Tracking;
import java.io.IOException;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** The command line. */
public final class Squeeze {
  private static final Logger LOG = LoggerFactory.getLogger(Squeeze.class);
  private static final int UNEXPECTED = 1;
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
    SqueezeException ours = SqueezeException.find(thrown);
    if (ours != null) {
      LOG.debug("Cause", thrown);
      Console.error(ours.getMessage());
      return ours.category().exitCode();
    }
    if (diskFull(thrown)) {
      Console.error("No space left on the device: " + thrown.getMessage());
      return SqueezeException.Category.RESOURCE.exitCode();
    }
    LOG.error("Unexpected failure", thrown);
    Console.error(firstLine(thrown));
    return UNEXPECTED;
  }

  private static boolean diskFull(Throwable thrown) {
    int depth = 0;
    for (Throwable t = thrown; t != null && depth < 32; t = t.getCause(), depth++) {
      if (t instanceof IOException && String.valueOf(t.getMessage()).contains("No space left")) {
        return true;
      }
    }
    return false;
  }

  private static String firstLine(Throwable thrown) {
    return thrown.toString().lines().findFirst().orElse("");
  }

  private static int misused(ParameterException e, String[] args) {
    CommandLine line = e.getCommandLine();
    Console.error(e.getMessage() + "; see submit/squeeze " + line.getCommandName() + " --help");
    return USAGE;
  }
}
