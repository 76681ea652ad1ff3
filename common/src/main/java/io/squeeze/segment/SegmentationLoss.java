package io.squeeze.segment;

import ai.djl.ndarray.NDArray;
import java.io.Serializable;
import java.util.List;

/** What a head is trained to lower. */
public interface SegmentationLoss extends Serializable {

  /**
   * A part of a loss.
   *
   * @param name in the metrics, such as {@code dice} in {@code val/dice}
   * @param weight with which the part counts
   * @param value a scalar
   */
  record Term(String name, double weight, NDArray value) {}

  /**
   * The parts of the loss of a batch; the loss is the sum of their weighted values.
   *
   * @param logits float32 [B, K, H, W]
   * @param target int64 [B, H, W], 255 where a pixel does not count
   */
  List<Term> terms(NDArray logits, NDArray target);
}
