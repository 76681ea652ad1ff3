package io.squeeze.jobs.extract;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.Backbone;
import io.squeeze.backbone.Backbone.Outputs;
import io.squeeze.image.jpeg.TurboJpeg;
import io.squeeze.jobs.extract.FileResult.Change;
import io.squeeze.jobs.extract.FileResult.Tally;
import io.squeeze.jobs.extract.StoredForm.Stored;
import io.squeeze.jobs.photo.Fitting;
import io.squeeze.jobs.photo.PreparedSample;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.torch.FloatBatch;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import java.io.IOException;
import java.util.List;

/** The forward passes of a task, with what they waited for. */
final class ForwardPass {
  private final NDManager manager;
  private final Backbone backbone;
  private final StoredForm form;
  private final Output output;
  private final Fitting fitting;
  private final boolean beside;
  private final FloatBatch pixels;
  private long images;
  private long nanos;
  private long waited;
  private Change scaling = Change.NONE;
  private long warned;
  private String warning;

  ForwardPass(
      NDManager manager,
      Backbone backbone,
      StoredForm form,
      Output output,
      int batchSize,
      boolean beside) {
    this.manager = manager;
    this.backbone = backbone;
    this.form = form;
    this.output = output;
    this.fitting = new Fitting(batchSize);
    this.beside = beside;
    int side = backbone.preprocessing().size();
    this.pixels = new FloatBatch(manager, batchSize, new Shape(3, side, side));
  }

  /** Something that another thread must be waited for. */
  interface Awaited<T> {
    T get() throws IOException;
  }

  <T> T waiting(Awaited<T> awaited) throws IOException {
    long began = System.nanoTime();
    T value = awaited.get();
    // Without threads beside it, the task does this itself: that is no waiting.
    waited += beside ? System.nanoTime() - began : 0;
    return value;
  }

  void run(List<PreparedSample> batch) throws IOException {
    fitting.run(
        batch,
        part -> {
          List<Stored> values = values(part);
          for (int i = 0; i < part.size(); i++) {
            PreparedSample sample = part.get(i);
            notice(sample);
            Stored value = values.get(i);
            waiting(() -> output.put(sample, value));
          }
          images += part.size();
        });
  }

  /** A value for each sample; null where it cannot be stored. */
  private List<Stored> values(List<PreparedSample> part) {
    long began = System.nanoTime();
    try (NDManager scope = manager.newSubManager()) {
      NDArray photos =
          pixels.fill(scope, part.size(), b -> part.forEach(sample -> b.put(sample.pixels())));
      // Opening a form may have set other threads than the backbone's bytes belong to.
      Tasks.startBackbone();
      Outputs features = backbone.outputs(photos);
      for (int i = 0; i < part.size(); i++) {
        if (part.get(i).unscaled() != null) {
          compare(features.grid().get(i + ":" + (i + 1)), part.get(i).unscaled(), scope);
        }
      }
      Tasks.start();
      return form.values(features, part);
    } finally {
      nanos += System.nanoTime() - began;
    }
  }

  /** What scaling while decoding changed of a photo's features [1, C, h, w]. */
  private void compare(NDArray scaled, float[] unscaled, NDManager scope) {
    int side = backbone.preprocessing().size();
    NDArray photo = Torch.floats(scope, new Shape(1, 3, side, side), b -> b.put(unscaled));
    NDArray full = backbone.features(photo);
    float[] squares = Torch.tensor(NativeKernels.squares(full, scaled)).floats();
    scaling = scaling.plus(new Change(1, squares[0], squares[1]));
  }

  private void notice(PreparedSample sample) {
    if (sample.warning() != null) {
      warned++;
      String id = sample.row().getAs(Columns.SAMPLE_ID);
      warning = warning == null ? id + ": " + sample.warning() : warning;
    }
  }

  Tally tally(long reading, long decoding, int threads) {
    return new Tally(
        images,
        reading,
        decoding,
        nanos,
        output.nanos(),
        waited,
        threads,
        TurboJpeg.found() ? images : 0,
        form.rounding(),
        scaling,
        warned,
        warning);
  }
}
