package io.squeeze.jobs.sql;

import org.apache.spark.sql.SparkSessionExtensions;

/** Spark 3.5 has no nearest-neighbour join; the rule for that of Spark 4.2 stands beside. */
final class NearestJoin {
  private NearestJoin() {}

  static void inject(SparkSessionExtensions extensions) {
    // Nothing to replace.
  }
}
