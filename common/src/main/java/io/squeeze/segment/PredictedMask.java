package io.squeeze.segment;

/**
 * The mask that a model gives a photo.
 *
 * @param labels the class of each pixel, [height, width], {@link #OUTSIDE} where the model saw none
 * @param shares of each class in the pixels that the model saw; they add up to 1, or are 0 of a
 *     photo so narrow that it saw none
 * @param confidence mean probability of the classes of these pixels, 1/K to 1, or 0 of none
 * @param outside share of the pixels that the model did not see
 */
public record PredictedMask(
    byte[] labels, int height, int width, double[] shares, double confidence, double outside) {
  /** The label of pixels outside the crop that the model sees. */
  public static final int OUTSIDE = 255;

  /** A mask with the shares that its labels have. */
  public static PredictedMask of(
      byte[] labels, int height, int width, int classes, double confidence) {
    double[] shares = new double[classes];
    int seen = 0;
    for (byte label : labels) {
      if ((label & 0xFF) != OUTSIDE) {
        shares[label & 0xFF]++;
        seen++;
      }
    }
    for (int k = 0; k < classes; k++) {
      shares[k] /= Math.max(1, seen);
    }
    double outside = labels.length == 0 ? 0 : 1 - (double) seen / labels.length;
    return new PredictedMask(labels, height, width, shares, confidence, outside);
  }
}
