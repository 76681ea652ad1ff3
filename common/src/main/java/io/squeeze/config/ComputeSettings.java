package io.squeeze.config;

import java.io.Serializable;
import java.util.regex.Pattern;

/**
 * Where tasks compute.
 *
 * @param device auto, cpu or cuda:N
 * @param gpuTasks tasks that share a GPU at a time where Spark assigns none
 * @param gpuShare of a task of a stage that computes; null for what Spark is told
 * @param threads of a task's operations: a number, auto, or task-cpus for Spark's own setting
 */
public record ComputeSettings(String device, int gpuTasks, Double gpuShare, String threads)
    implements Serializable {
  private static final Pattern DEVICE = Pattern.compile("auto|cpu|cuda(:[0-9]{1,3})?");
  private static final Pattern THREADS = Pattern.compile("auto|task-cpus|[1-9][0-9]{0,3}");

  static ComputeSettings from(Section section) {
    return new ComputeSettings(
        section.matching("device", DEVICE, "auto, cpu or cuda:N"),
        section.intIn("gpu-tasks", 1, 1024),
        section.optionalDoubleIn("gpu-share", 0.001, 1),
        section.matching("threads-per-task", THREADS, "a number, auto or task-cpus"));
  }
}
