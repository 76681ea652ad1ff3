package io.squeeze.jobs.spark;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.resource.ResourceProfileBuilder;
import org.apache.spark.resource.TaskResourceRequests;

/**
 * The resources that stages ask for. A stage that computes asks for a share of a GPU; other stages
 * ask for cores only.
 */
public final class Stages {
  static final String SHARE = "gpu-share";

  /** One for each share: Spark keeps every profile that it is shown. */
  private static final Map<String, ResourceProfile> PROFILES = new ConcurrentHashMap<>();

  private Stages() {}

  /**
   * The same rows, made by tasks that are given {@code compute.gpu-share} of a GPU; as they are
   * where that is unset, or Spark gives every task a GPU anyway.
   */
  public static <T> JavaRDD<T> computing(JavaRDD<T> rows) {
    SparkConf conf = rows.context().getConf();
    return shared(conf) ? rows.withResources(profile(conf)) : rows;
  }

  /** Whether stages that compute ask for GPUs by themselves. */
  static boolean shared(SparkConf conf) {
    return conf.contains(Sessions.PREFIX + SHARE)
        && conf.contains("spark.executor.resource.gpu.amount")
        && !conf.contains("spark.task.resource.gpu.amount");
  }

  private static ResourceProfile profile(SparkConf conf) {
    String share = conf.get(Sessions.PREFIX + SHARE);
    int cpus = conf.getInt("spark.task.cpus", 1);
    return PROFILES.computeIfAbsent(
        share + "/" + cpus,
        key ->
            new ResourceProfileBuilder()
                .require(
                    new TaskResourceRequests()
                        .cpus(cpus)
                        .resource("gpu", Double.parseDouble(share)))
                .build());
  }
}
