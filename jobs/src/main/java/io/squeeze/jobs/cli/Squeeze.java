package io.squeeze.jobs.cli;

import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.Failure;
import io.squeeze.track.Tracking;
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
    int code = run(args);
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
      throw new SparkUserAppException(code);
    }
  }

  /** Runs a command in this JVM; its exit code. */
  public static int run(String... args) {
    CommandLine line = Commands.all();
    line.setExecutionExceptionHandler((thrown, command, parsed) -> failed(thrown));
    line.setParameterExceptionHandler(Squeeze::misused);
    try {
      return line.execute(Arguments.normalised(args));
    } catch (Error e) {
      // A full disk can be one, in Hadoop's words; a full heap is.
      return failed(e);
    }
  }

  private static int failed(Throwable thrown) {
    Failure failure = Failure.of(thrown);
    if (failure.code() == Failure.UNEXPECTED) {
      LOG.error("Unexpected failure", thrown);
    } else {
      LOG.debug("Cause", thrown);
    }
    // What they say comes before: the cause is the last line.
    Tracking.settle();
    Console.error(failure.sentence());
    return failure.code();
  }

  private static int misused(ParameterException e, String[] args) {
    CommandLine line = e.getCommandLine();
    Console.error(e.getMessage() + "; see submit/squeeze " + line.getCommandName() + " --help");
    return USAGE;
  }
}
