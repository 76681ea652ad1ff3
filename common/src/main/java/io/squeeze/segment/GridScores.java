package io.squeeze.segment;

import java.util.Arrays;

/**
 * The class scores of a photo's grid, to be read anywhere in the square that the grid covers.
 * Between the centres of its cells they are bilinear, and constant beyond the outer ones: as if the
 * scores were upsampled to the square, without aligned corners.
 *
 * @param scores logits [K, h, w]
 * @param side of the square in pixels
 */
public record GridScores(float[] scores, int classes, int height, int width, int side) {

  /** Where a coordinate lies between two cells of the grid: {@code low} and the next one. */
  private record Between(int low, int high, float share) {

    static Between of(double place, int cells, int side) {
      double at = Math.max(0, (place + 0.5) * cells / side - 0.5);
      int low = Math.min(cells - 1, (int) at);
      return new Between(low, Math.min(cells - 1, low + 1), (float) (at - low));
    }
  }

  /**
   * The class of the highest score at every place, the first of equal ones.
   *
   * @param xs coordinates of the columns, in pixels of the square; those that lie outside it get
   *     {@link PredictedMask#OUTSIDE}
   * @param ys the same of the rows
   */
  public PredictedMask mask(double[] xs, double[] ys) {
    byte[] labels = new byte[xs.length * ys.length];
    Arrays.fill(labels, (byte) PredictedMask.OUTSIDE);
    int first = 0;
    while (first < xs.length && outside(xs[first])) {
      first++;
    }
    int last = xs.length;
    while (last > first && outside(xs[last - 1])) {
      last--;
    }
    Between[] columns = new Between[xs.length];
    for (int x = first; x < last; x++) {
      columns[x] = Between.of(xs[x], width, side);
    }
    float[] row = new float[classes * width];
    float[] values = new float[classes];
    double sure = 0;
    long seen = 0;
    for (int y = 0; y < ys.length; y++) {
      if (outside(ys[y])) {
        continue;
      }
      between(Between.of(ys[y], height, side), row);
      for (int x = first; x < last; x++) {
        int best = scored(columns[x], row, values);
        labels[y * xs.length + x] = (byte) best;
        sure += probability(values, best);
        seen++;
      }
    }
    return PredictedMask.of(labels, ys.length, xs.length, classes, seen == 0 ? 0 : sure / seen);
  }

  private boolean outside(double place) {
    return place < -0.5 || place >= side - 0.5;
  }

  /** The scores of all columns of the grid at a height: [K, w]. */
  private void between(Between rows, float[] row) {
    for (int k = 0; k < classes; k++) {
      int low = (k * height + rows.low()) * width;
      int high = (k * height + rows.high()) * width;
      for (int x = 0; x < width; x++) {
        float value = scores[low + x];
        row[k * width + x] = value + rows.share() * (scores[high + x] - value);
      }
    }
  }

  private int scored(Between column, float[] row, float[] values) {
    int best = 0;
    for (int k = 0; k < classes; k++) {
      float value = row[k * width + column.low()];
      values[k] = value + column.share() * (row[k * width + column.high()] - value);
      best = values[k] > values[best] ? k : best;
    }
    return best;
  }

  /** Softmax of the highest score. */
  private static double probability(float[] values, int best) {
    double sum = 0;
    for (float value : values) {
      sum += Math.exp(value - values[best]);
    }
    return 1 / sum;
  }
}
