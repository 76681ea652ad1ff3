package io.squeeze.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;

/**
 * Records gradients on the calling thread until closed. DJL's own collector is one a JVM, so two
 * training tasks in one executor could not use it.
 */
public final class GradientScope implements AutoCloseable {

  public GradientScope() {
    JniUtils.setGradMode(true);
  }

  /** Adds d loss / d leaf to the gradient of every leaf that asks for one. */
  public void backward(NDArray loss) {
    try (NDArray one = loss.onesLike()) {
      JniUtils.backward((PtNDArray) loss, (PtNDArray) one, false, false);
    }
  }

  @Override
  public void close() {
    JniUtils.setGradMode(false);
  }
}
