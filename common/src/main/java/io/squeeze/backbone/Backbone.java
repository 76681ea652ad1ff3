package io.squeeze.backbone;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.image.Preprocessing;

/** A frozen network that turns a photo into a grid of feature vectors. Safe for many threads. */
public interface Backbone {

  /** float32 [B, 3, S, S], preprocessed -> float32 [B, C, h, w] in the manager of the images. */
  NDArray features(NDArray images);

  /**
   * All that a batch of photos becomes.
   *
   * @param grid float32 [B, C, h, w]
   * @param token float32 [B, C], the class token; null where the program gives none
   */
  record Outputs(NDArray grid, NDArray token) {

    /** What one photo of the batch becomes, in another manager: [1, C, h, w] and [1, C]. */
    public Outputs of(int photo, NDManager manager) {
      return new Outputs(
          row(grid, photo, manager), token == null ? null : row(token, photo, manager));
    }

    private static NDArray row(NDArray all, int photo, NDManager manager) {
      NDArray one = all.get(photo + ":" + (photo + 1));
      one.attach(manager);
      return one;
    }
  }

  /** The same as {@link #features}, with the class token where there is one. */
  default Outputs outputs(NDArray images) {
    return new Outputs(features(images), null);
  }

  /** What one image becomes; its channels are the dimension of a feature vector. */
  Grid grid();

  /** How many images the program takes at a time. */
  default int mostImages() {
    return Integer.MAX_VALUE;
  }

  /** Pixels of the input, in each direction, for one vector. */
  default int stride() {
    return preprocessing().size() / grid().height();
  }

  /** SHA-256 of the program with its weights, in hex: names the backbone in every manifest. */
  String digest();

  /** How a photo is prepared for this backbone. */
  Preprocessing preprocessing();
}
