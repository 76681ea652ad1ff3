package io.squeeze.jobs.spark;

import org.apache.spark.sql.SparkSession;

/** What Spark's web page and its event log call the jobs that follow on this thread. */
public final class JobDescription {
  private JobDescription() {}

  /**
   * Names a step; its jobs are one group with the others of its run.
   *
   * @param run or what else is worked on
   */
  public static void name(SparkSession spark, String run, String step) {
    spark.sparkContext().setJobGroup(run, run + ": " + step, false);
  }
}
