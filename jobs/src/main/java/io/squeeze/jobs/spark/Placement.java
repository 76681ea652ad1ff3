package io.squeeze.jobs.spark;

import ai.djl.Device;
import io.squeeze.config.SqueezeException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Which device a task uses, from what Spark gave it and what the user said.
 *
 * @param device auto, cpu or cuda:N, as {@code --device} takes it
 * @param local whether the master is local[n], which assigns no GPUs
 * @param gpusAsked whether the session asked for GPUs
 * @param address of the GPU that Spark gave the task; null for none
 * @param visible CUDA_VISIBLE_DEVICES of the process; null where it is not set
 */
record Placement(String device, boolean local, boolean gpusAsked, String address, String visible) {

  /**
   * The device that is settled; empty where the process may use any GPU that libtorch sees.
   *
   * @throws SqueezeException of category configuration if what was asked cannot be given
   */
  Optional<Device> settled() {
    if (device.equals("cpu")) {
      return Optional.of(Device.cpu());
    }
    if (!local && device.startsWith("cuda:")) {
      throw SqueezeException.configuration(
          "--device "
              + device
              + " is for local[n]: on a cluster Spark assigns GPUs (spark.executor.resource.gpu.amount"
              + " and spark.task.resource.gpu.amount)");
    }
    if (address != null) {
      return Optional.of(Device.gpu(index()));
    }
    if (gpusAsked || (!local && device.startsWith("cuda"))) {
      throw SqueezeException.configuration(
          "A GPU was asked for, but Spark gave this task none: set spark.executor.resource.gpu.amount,"
              + " spark.executor.resource.gpu.discoveryScript and spark.task.resource.gpu.amount, or"
              + " --device cpu");
    }
    if (!local) {
      return Optional.of(Device.cpu());
    }
    return device.startsWith("cuda:")
        ? Optional.of(Device.gpu(Integer.parseInt(device.substring("cuda:".length()))))
        : Optional.empty();
  }

  /** CUDA counts from 0 among the visible devices, whatever their addresses are. */
  private int index() {
    if (visible != null && !visible.isBlank()) {
      List<String> listed = Arrays.stream(visible.split(",")).map(String::strip).toList();
      if (listed.contains(address)) {
        return listed.indexOf(address);
      }
      // Where only one is visible, it is the one that was given.
      if (listed.size() == 1) {
        return 0;
      }
    }
    try {
      return Integer.parseInt(address.strip());
    } catch (NumberFormatException e) {
      throw SqueezeException.configuration(
          "Spark gave this task the GPU "
              + address
              + ", which is no number: let the discovery script print indices, or set"
              + " CUDA_VISIBLE_DEVICES for the executors");
    }
  }
}
