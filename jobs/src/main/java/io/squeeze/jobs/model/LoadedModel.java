package io.squeeze.jobs.model;

import ai.djl.ndarray.NDManager;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.quantize.Quantizer;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;

/**
 * A checkpoint's model on the device of a task, or of the driver.
 *
 * @param manager that its tensors belong to; what a caller computes goes into a child of it
 */
public record LoadedModel(
    SqueezeModel model, Batch.Layout layout, NDManager manager, Parameters parameters)
    implements AutoCloseable {

  /** Copies the parameters to the device that this task was given. */
  public static LoadedModel of(Checkpoint checkpoint) {
    NDManager manager = Torch.manager(Tasks.start());
    return new LoadedModel(
        checkpoint.model(),
        checkpoint.layout(),
        manager,
        new Parameters(manager, checkpoint.state().model()));
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
