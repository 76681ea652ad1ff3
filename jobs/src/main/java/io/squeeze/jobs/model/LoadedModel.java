package io.squeeze.jobs.model;

import ai.djl.ndarray.NDManager;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.quantize.Quantizer;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;

/**
 * A checkpoint's model on the device of a task, or of the driver.
 *
 * @param manager that its tensors belong to; what a caller computes goes into a child of it
 */
public record LoadedModel(
    SqueezeModel model, Batch.Layout layout, NDManager manager, Parameters parameters)
    implements AutoCloseable {
  /** By task attempt; a broadcast checkpoint is one object in an executor. */
  private static final Map<Long, Map<Checkpoint, LoadedModel>> IN_TASKS = new ConcurrentHashMap<>();

  /** Copies the parameters to the device that this task was given. */
  public static LoadedModel of(Checkpoint checkpoint) {
    NDManager manager = Torch.manager(Tasks.start());
    return new LoadedModel(
        checkpoint.model(),
        checkpoint.layout(),
        manager,
        new Parameters(manager, checkpoint.state().model()));
  }

  /** The model of a checkpoint in this task: loaded once, and closed when the task ends. */
  public static LoadedModel inTask(Checkpoint checkpoint) {
    TaskContext task = TaskContext.get();
    Map<Checkpoint, LoadedModel> models =
        IN_TASKS.computeIfAbsent(
            task.taskAttemptId(),
            attempt -> {
              task.addTaskCompletionListener(
                  (TaskCompletionListener)
                      ended -> IN_TASKS.remove(attempt).values().forEach(LoadedModel::close));
              return Collections.synchronizedMap(new IdentityHashMap<>());
            });
    return models.computeIfAbsent(checkpoint, LoadedModel::of);
  }

  /** The model's quantizer. */
  public Quantizer quantizer() {
    return model.quantizer();
  }

  @Override
  public void close() {
    parameters.close();
    manager.close();
  }
}
