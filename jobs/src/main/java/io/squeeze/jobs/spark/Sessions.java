package io.squeeze.jobs.spark;

import io.squeeze.config.SqueezeException;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;

/** Starts Spark with what our tables need; whatever spark-submit was told wins. */
public final class Sessions {
  private Sessions() {}

  /**
   * The session of this JVM.
   *
   * @throws SqueezeException of category resource if the master could never schedule a task
   */
  public static SparkSession start(String command) {
    SparkConf conf = new SparkConf();
    conf.setIfMissing("spark.app.name", "squeeze " + command);
    conf.setIfMissing("spark.master", "local[*]");
    conf.setIfMissing("spark.ui.showConsoleProgress", "false");
    // A flipped bit in an embedding would pass for a number.
    conf.setIfMissing("spark.hadoop.parquet.page.verify-checksum.enabled", "true");
    // A row can be 6 MB; the default batch of 4096 rows would be 25 GB.
    conf.setIfMissing("spark.sql.parquet.columnarReaderBatchSize", "8");
    boolean gpu =
        conf.contains("spark.task.resource.gpu.amount")
            || conf.contains("spark.executor.resource.gpu.amount");
    String master = conf.get("spark.master");
    if (gpu && (master.equals("local") || master.startsWith("local["))) {
      throw SqueezeException.configuration(
          "The master "
              + master
              + " schedules no GPUs, so no task would ever start: leave out"
              + " spark.task.resource.gpu.amount, or use a cluster");
    }
    return SparkSession.builder().config(conf).getOrCreate();
  }
}
