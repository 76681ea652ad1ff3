package io.squeeze.jobs.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.quantize.Quantizer;
import io.squeeze.segment.ForwardContext;
import io.squeeze.segment.SqueezeModel.Output;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Example;
import java.util.List;

/**
 * Runs a trained model on one sample at a time, so that a sample's result does not depend on its
 * neighbours in a partition.
 */
public final class Predictor {
  private static final int[] ALONG = {1};

  private final LoadedModel loaded;

  /** Runs the model of a checkpoint on this task's device. */
  public Predictor(Checkpoint checkpoint) {
    loaded = LoadedModel.inTask(checkpoint);
  }

  /**
   * What a model makes of a sample.
   *
   * @param mask the class of each pixel
   * @param codes [h * w, levels], row-major; null without quantization
   * @param kept how well the codes preserve the features; null without quantization
   */
  public record Prediction(byte[] mask, int[] codes, Kept kept) {}

  /**
   * How well codes preserve a sample's vectors.
   *
   * @param error mean squared error of a value
   * @param cosine mean cosine similarity of a vector
   * @param vectors some of the vectors, before quantization
   * @param located the same vectors in the space where the quantizer searches
   * @param decoded the vectors that their codes stand for, in the same space
   */
  public record Kept(
      double error, double cosine, float[][] vectors, float[][] located, float[][] decoded) {

    private static Kept of(Output output, int[] places, LoadedModel loaded) {
      NDArray vectors = output.features();
      NDArray decoded = output.quantized().vectors();
      NDArray dots = vectors.mul(decoded).sum(ALONG);
      NDArray lengths = vectors.square().sum(ALONG).mul(decoded.square().sum(ALONG)).sqrt();
      NDArray cosine = dots.div(lengths.maximum(Float.MIN_NORMAL)).mean();
      double error = vectors.sub(decoded).square().mean().getFloat();
      if (places.length == 0) {
        float[][] none = new float[0][];
        return new Kept(error, cosine.getFloat(), none, none, none);
      }
      Quantizer quantizer = loaded.quantizer();
      return new Kept(
          error,
          cosine.getFloat(),
          rows(vectors, places),
          rows(quantizer.toSearchSpace(vectors, loaded.parameters()), places),
          rows(
              quantizer.codewordsInSearchSpace(output.quantized().codes(), loaded.parameters()),
              places));
    }

    private static float[][] rows(NDArray array, int[] places) {
      float[][] rows = new float[places.length][];
      for (int i = 0; i < places.length; i++) {
        rows[i] = array.get(places[i]).toFloatArray();
      }
      return rows;
    }
  }

  /** Predicts a sample. */
  public Prediction predict(Example example) {
    return predict(example, new int[0]);
  }

  /** The same, with the vectors at some places of the grid. */
  public Prediction predict(Example example, int[] places) {
    try (NDManager scope = loaded.manager().newSubManager()) {
      Batch batch = Batch.of(scope, List.of(example), loaded.layout());
      Output output =
          loaded
              .model()
              .forward(batch.features(), batch.mask(), loaded.parameters(), ForwardContext.NONE);
      int[] codes = output.quantized().codeValues();
      Kept kept = codes == null ? null : Kept.of(output, places, loaded);
      return new Prediction(output.masks(), codes, kept);
    }
  }
}
