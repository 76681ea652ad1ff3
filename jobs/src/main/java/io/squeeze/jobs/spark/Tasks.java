package io.squeeze.jobs.spark;

import ai.djl.Device;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.torch.Torch;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;

/** Prepares the thread of a Spark task, or of the driver, for torch. */
public final class Tasks {
  /** Device of each running task: a task that starts twice keeps its own. */
  private static final Map<Long, Device> RUNNING = new ConcurrentHashMap<>();

  /** Tasks on each GPU, where Spark assigns none. */
  private static final List<Integer> SHARED = new ArrayList<>();

  private Tasks() {}

  /**
   * Loads the engine, whose operations run in pieces on the cores that the task may use; the device
   * to use.
   *
   * @throws SqueezeException of category configuration or resource if there is no such device
   */
  public static Device start() {
    startOnCpu();
    return device();
  }

  /**
   * The same for a backbone, whose operations libtorch cuts: so the bytes depend on the number of
   * threads, which is the setting's.
   */
  public static Device startBackbone() {
    Torch.start(threads(false));
    return device();
  }

  private static Device device() {
    TaskContext context = TaskContext.get();
    SparkConf conf = SparkEnv.get().conf();
    if (context == null) {
      return Device.cpu();
    }
    long attempt = context.taskAttemptId();
    Device known = RUNNING.get(attempt);
    if (known != null) {
      return known;
    }
    Optional<Device> settled = placement(conf, context).settled();
    int gpus = settled.isPresent() && !settled.get().isGpu() ? 0 : Torch.gpus();
    if (settled.isPresent()) {
      checkPresent(settled.get(), gpus);
    } else if (gpus == 0 && setting(conf, "device").equals("cuda")) {
      checkPresent(Device.gpu(0), 0);
    }
    boolean shared = settled.isEmpty() && gpus > 0;
    Device device =
        shared
            ? Device.gpu(take(gpus, Integer.parseInt(setting(conf, "gpu-tasks"))))
            : settled.orElse(Device.cpu());
    RUNNING.put(attempt, device);
    context.addTaskCompletionListener(
        (TaskCompletionListener)
            ended -> {
              RUNNING.remove(attempt);
              if (shared) {
                giveBack(device.getDeviceId());
              }
            });
    return device;
  }

  /** Prepares this thread to compute on the CPU, whatever device the task was given. */
  public static void startOnCpu() {
    Torch.startInPieces(threads(true));
  }

  /** What is known of the task's place before libtorch is asked. */
  static Placement placement(SparkConf conf, TaskContext context) {
    boolean asked =
        !Stages.shared(conf)
            && (conf.contains("spark.task.resource.gpu.amount")
                || conf.contains("spark.executor.resource.gpu.amount"));
    String address =
        context.resourcesJMap().containsKey("gpu")
            ? context.resourcesJMap().get("gpu").addresses()[0]
            : null;
    boolean local = Sessions.isLocal(conf.get("spark.master", ""));
    String visible = System.getenv("CUDA_VISIBLE_DEVICES");
    return new Placement(setting(conf, "device"), local, asked, address, visible);
  }

  private static void checkPresent(Device device, int gpus) {
    if (device.isGpu() && device.getDeviceId() >= gpus) {
      throw SqueezeException.resource(
          ("This task should use cuda:%s, but libtorch sees %s CUDA devices here: give "
                  + "the executors libtorch's CUDA build (PYTORCH_LIBRARY_PATH), or use --device "
                  + "cpu")
              .formatted(device.getDeviceId(), gpus),
          null);
    }
  }

  /** A GPU with fewer tasks than allowed, the emptiest first; waits for one. */
  private static int take(int gpus, int most) {
    synchronized (SHARED) {
      while (SHARED.size() < gpus) {
        SHARED.add(0);
      }
      try {
        while (true) {
          int emptiest = 0;
          for (int i = 1; i < gpus; i++) {
            emptiest = SHARED.get(i) < SHARED.get(emptiest) ? i : emptiest;
          }
          if (SHARED.get(emptiest) < most) {
            SHARED.set(emptiest, SHARED.get(emptiest) + 1);
            return emptiest;
          }
          SHARED.wait();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("Interrupted while waiting for a GPU", e);
      }
    }
  }

  private static void giveBack(int gpu) {
    synchronized (SHARED) {
      SHARED.set(gpu, SHARED.get(gpu) - 1);
      SHARED.notifyAll();
    }
  }

  /** Threads of this task: of pieces, which may use idle cores, or of libtorch's operations. */
  private static int threads(boolean pieces) {
    SparkConf conf = SparkEnv.get().conf();
    TaskContext context = TaskContext.get();
    int tasks = context == null ? 1 : context.numPartitions();
    int cpus = conf.getInt("spark.task.cpus", 1);
    String asked = setting(conf, "threads-per-task");
    return switch (asked) {
      case "task-cpus" -> pieces ? Math.max(cpus, Sessions.threads(conf, tasks)) : cpus;
      case "auto" -> Math.max(cpus, Sessions.threads(conf, tasks));
      default -> Integer.parseInt(asked);
    };
  }

  private static String setting(SparkConf conf, String name) {
    return conf.get(Sessions.PREFIX + name, Settings.defaultOf("compute." + name));
  }
}
