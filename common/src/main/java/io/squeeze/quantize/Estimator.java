package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.torch.NativeKernels;

/** How a gradient passes the assignment of vectors to codes, which itself has none. */
enum Estimator {
  /** As it is (arXiv 1308.3432). */
  STRAIGHT_THROUGH {
    @Override
    NDArray pass(NDArray z, NDArray q) {
      return z.add(q.sub(z.stopGradient()));
    }
  },

  /** Turned and scaled as the vector is turned and scaled onto its code (arXiv 2410.06424). */
  ROTATION {
    @Override
    NDArray pass(NDArray z, NDArray q) {
      return NativeKernels.rotation(z, q);
    }
  };

  static Estimator of(QuantizerSettings settings) {
    return settings.gradient().equals("rotation") ? ROTATION : STRAIGHT_THROUGH;
  }

  /** The value of q [N, d] with a gradient to z [N, d]. */
  abstract NDArray pass(NDArray z, NDArray q);
}
