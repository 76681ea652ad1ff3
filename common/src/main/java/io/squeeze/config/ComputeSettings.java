package io.squeeze.config;

import java.io.Serializable;
import java.util.regex.Pattern;

/**
 * Where tasks compute.
 *
 * @param device auto, cpu or cuda:N
 * @param gpuTasks number of tasks that use one GPU at the same time, where Spark assigns no GPUs
 * @param gpuShare share of a GPU for each task of a stage that computes; null: Spark's own settings
 * @param threads threads of each operation in a task: a number, auto, or task-cpus for Spark's own
 *     setting
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
