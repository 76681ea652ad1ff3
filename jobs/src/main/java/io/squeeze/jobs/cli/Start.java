package io.squeeze.jobs.cli;

import io.squeeze.jobs.console.Reporter;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.apache.spark.deploy.SparkSubmit;

/**
 * The first class of a driver that submit/squeeze starts without Spark's launcher. It answers what
 * needs no Spark, such as help, and gives the rest to spark-submit in the same JVM.
 */
public final class Start {
  private Start() {}

  /**
   * Starts.
   *
   * @param args those of spark-submit, first {@code --class} and a class; the command and its
   *     options follow {@code spark-internal}, which tells spark-submit that the class path has the
   *     application
   */
  public static void main(String[] args) {
    if (args[1].equals(Squeeze.class.getName())) {
      int at = List.of(args).indexOf("spark-internal");
      String[] command = Arrays.copyOfRange(args, at + 1, args.length);
      OptionalInt answered = Squeeze.answer(Reporter.standard(), command);
      if (answered.isPresent()) {
        System.exit(answered.getAsInt());
      }
    }
    SparkSubmit.main(args);
  }
}
