package io.squeeze.jobs.spark;

import ai.djl.Device;
import io.squeeze.torch.Torch;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;

/** Prepares the thread of a Spark task, or of the driver, for torch. */
public final class Tasks {
  private Tasks() {}

  /** Loads the engine with a thread for each of {@code spark.task.cpus}; the device to use. */
  public static Device start() {
    int threads = SparkEnv.get().conf().getInt("spark.task.cpus", 1);
    Torch.start(threads);
    TaskContext context = TaskContext.get();
    if (context == null || !context.resourcesJMap().containsKey("gpu")) {
      return Device.cpu();
    }
    String address = context.resourcesJMap().get("gpu").addresses()[0];
    return Device.gpu(Integer.parseInt(address.strip()));
  }
}
