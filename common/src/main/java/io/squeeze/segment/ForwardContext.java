package io.squeeze.segment;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.Seeds;
import io.squeeze.quantize.Quantizer.Mode;
import io.squeeze.torch.Torch;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.SplittableRandom;

/**
 * The context of a forward pass. In a step of training, dropout draws from the seed, the epoch and
 * each sample's id, so it draws the same on every cluster.
 *
 * @param samples ids of the batch, in order; empty outside of training
 * @param losses whether the quantizer's losses are asked for
 * @param batchNorm whether batch norm uses and moves the batch's statistics
 */
public record ForwardContext(
    long seed, int epoch, List<String> samples, boolean losses, boolean batchNorm) {
  /** Evaluation: nothing is dropped, no statistics move. */
  public static final ForwardContext NONE = new ForwardContext(0, 0, List.of(), false, false);

  /** The same, with losses. */
  public static final ForwardContext VALIDATION = new ForwardContext(0, 0, List.of(), true, false);

  /** A step of training. */
  public ForwardContext(long seed, int epoch, List<String> samples) {
    this(seed, epoch, samples, true, true);
  }

  /** The same with batch norm as in evaluation. */
  public ForwardContext frozen() {
    return new ForwardContext(seed, epoch, samples, losses, false);
  }

  boolean training() {
    return !samples.isEmpty();
  }

  /** What a quantizer draws from in this step. */
  Mode mode() {
    if (!training()) {
      return losses ? Mode.VALIDATION : Mode.EVALUATION;
    }
    return Mode.training(Seeds.hash(seed, "quantizer " + epoch, String.join("\n", samples)));
  }

  /** Drops half of the values [B, C, h, w] and doubles the others; as they are in evaluation. */
  NDArray dropHalf(NDArray x, String layer) {
    if (!training()) {
      return x;
    }
    Shape shape = x.getShape();
    NDManager manager = x.getManager();
    int each = Math.toIntExact(shape.size() / shape.get(0));
    NDArray kept =
        Torch.floats(manager, shape, b -> samples.forEach(id -> draw(b, each, layer, id)));
    return x.mul(kept);
  }

  private void draw(FloatBuffer target, int count, String layer, String id) {
    SplittableRandom random = new SplittableRandom(Seeds.hash(seed, layer + " " + epoch, id));
    long bits = 0;
    for (int i = 0; i < count; i++) {
      bits = i % 64 == 0 ? random.nextLong() : bits >>> 1;
      target.put((bits & 1) * 2f);
    }
  }
}
