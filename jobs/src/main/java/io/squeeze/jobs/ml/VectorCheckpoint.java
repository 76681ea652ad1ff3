package io.squeeze.jobs.ml;

import io.squeeze.config.Settings;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.ModelState;
import io.squeeze.weights.HostTensor;
import java.util.List;
import java.util.Map;

/** The checkpoint of a quantizer without a head: a vector is a grid of 1 x 1. */
final class VectorCheckpoint {
  /** Stands where a backbone's digest would. */
  static final String NO_BACKBONE = "none";

  private VectorCheckpoint() {}

  static Checkpoint of(Settings settings, int channels, Map<String, HostTensor> tensors) {
    Settings headless = settings.with("train.head", "none");
    SqueezeModel model = new SqueezeModel(headless, channels, 0);
    return new Checkpoint(
        ModelState.start(model, tensors),
        headless.trainingJson(),
        new Batch.Layout(channels, 1, 1, 1),
        List.of(),
        List.of(),
        NO_BACKBONE,
        0,
        Double.NaN);
  }
}
