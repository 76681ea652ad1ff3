package io.squeeze.jobs.evaluate;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.segment.Noise;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.segment.SqueezeModel.Output;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Example;
import java.util.List;

/**
 * Runs a trained model on one sample at a time, so that a sample's result does not depend on its
 * neighbours in a partition.
 */
public final class Predictor implements AutoCloseable {
  private final NDManager manager;
  private final SqueezeModel model;
  private final Batch.Layout layout;
  private final Parameters parameters;

  /** Loads a model on this task's device. */
  public Predictor(Checkpoint checkpoint) {
    Device device = Tasks.start();
    manager = Torch.manager(device);
    model = checkpoint.model();
    layout = checkpoint.layout();
    parameters = new Parameters(manager, checkpoint.state().model());
  }

  /**
   * What a model makes of a sample.
   *
   * @param mask the class of each pixel
   * @param codes [h * w, levels], row-major; null without quantization
   */
  public record Prediction(byte[] mask, int[] codes) {}

  public Prediction predict(Example example) {
    try (NDManager scope = manager.newSubManager()) {
      Batch batch = Batch.of(scope, List.of(example), layout);
      Output output = model.forward(batch.features(), batch.mask(), parameters, Noise.NONE);
      return new Prediction(output.masks(), output.quantized().codeValues());
    }
  }

  @Override
  public void close() {
    parameters.close();
    manager.close();
  }
}
