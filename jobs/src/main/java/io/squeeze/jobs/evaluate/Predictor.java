package io.squeeze.jobs.evaluate;

import ai.djl.ndarray.NDManager;
import io.squeeze.jobs.spark.LoadedModel;
import io.squeeze.segment.Noise;
import io.squeeze.segment.SqueezeModel.Output;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Example;
import java.util.List;

/**
 * Runs a trained model on one sample at a time, so that a sample's result does not depend on its
 * neighbours in a partition.
 */
public final class Predictor implements AutoCloseable {
  private final LoadedModel loaded;

  /** Loads a model on this task's device. */
  public Predictor(Checkpoint checkpoint) {
    loaded = LoadedModel.of(checkpoint);
  }

  /**
   * What a model makes of a sample.
   *
   * @param mask the class of each pixel
   * @param codes [h * w, levels], row-major; null without quantization
   */
  public record Prediction(byte[] mask, int[] codes) {}

  public Prediction predict(Example example) {
    try (NDManager scope = loaded.manager().newSubManager()) {
      Batch batch = Batch.of(scope, List.of(example), loaded.layout());
      Output output =
          loaded.model().forward(batch.features(), batch.mask(), loaded.parameters(), Noise.NONE);
      return new Prediction(output.masks(), output.quantized().codeValues());
    }
  }

  @Override
  public void close() {
    loaded.close();
  }
}
