package io.squeeze.jobs.spark;

import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.storage.HadoopStorage;
import org.apache.spark.sql.SparkSession;

/**
 * What a job runs with.
 *
 * @param storage reads and writes as the session is configured
 * @param reporter tells the user of the job
 */
public record SqueezeSession(SparkSession spark, HadoopStorage storage, Reporter reporter) {

  /** The same Spark session with its storage. */
  public static SqueezeSession of(SparkSession spark, Reporter reporter) {
    return new SqueezeSession(spark, Sessions.storage(spark), reporter);
  }

  /** The same session that reports in another way. */
  public SqueezeSession with(Reporter other) {
    return new SqueezeSession(spark, storage, other);
  }
}
