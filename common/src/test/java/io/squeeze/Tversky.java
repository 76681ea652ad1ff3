package io.squeeze;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.squeeze.config.LossSettings;
import io.squeeze.segment.LossType;
import io.squeeze.segment.SegmentationLoss;
import io.squeeze.torch.Torch;
import java.util.List;

/** Tversky loss (arXiv 1706.05721): overlap in which a missed pixel costs more than a false one. */
public final class Tversky implements LossType {
  private static final double MISSED = 0.7;

  @Override
  public String name() {
    return "tversky";
  }

  @Override
  public SegmentationLoss create(LossSettings settings, int classes) {
    return (logits, target) -> List.of(new SegmentationLoss.Term("tversky", 1, of(logits, target)));
  }

  private static NDArray of(NDArray logits, NDArray target) { // [B, K, H, W], [B, H, W]
    NDArray counts = target.neq(255).toType(DataType.FLOAT32, false).expandDims(1);
    int classes = (int) logits.getShape().get(1);
    NDArray truth = target.minimum(classes).oneHot(classes + 1).transpose(0, 3, 1, 2);
    NDArray t = truth.get(":, :" + classes + ", :, :").mul(counts);
    NDArray p = logits.softmax(1).mul(counts);
    int[] pixels = {0, 2, 3};
    NDArray both = p.mul(t).sum(pixels); // one number a class
    NDArray missed = t.sum(pixels).sub(both).mul(Torch.scalar(logits.getManager(), MISSED));
    NDArray wrong = p.sum(pixels).sub(both).mul(Torch.scalar(logits.getManager(), 1 - MISSED));
    NDArray one = both.stopGradient().onesLike();
    return one.sub(both.add(one).div(both.add(missed).add(wrong).add(one))).mean();
  }
}
