package io.squeeze.image;

import io.squeeze.config.ImageSettings;
import io.squeeze.image.BadSampleException.Code;
import java.io.Serializable;
import java.nio.FloatBuffer;
import java.util.List;

/**
 * Turns a photo into the input of a backbone: square crop, division by 255, mean and standard
 * deviation.
 *
 * @param size side of the square in pixels
 * @param resize length of the photo's shorter side before the centre is cropped, in pixels
 * @param squash whether both sides get this length instead
 * @param mean of each channel, in 0..1
 * @param std of each channel, in 0..1
 */
public record Preprocessing(
    int size, int resize, boolean squash, List<Double> mean, List<Double> std)
    implements Serializable {

  public static Preprocessing from(ImageSettings image) {
    return new Preprocessing(
        image.size(), image.resize(), image.squash(), image.mean(), image.std());
  }

  /**
   * The crop alone, [size, size, 3].
   *
   * @throws BadSampleException if the picture is too long to be scaled
   */
  public RgbImage crop(RgbImage image) throws BadSampleException {
    return square(image.width(), image.height()).apply(image);
  }

  /** The same of a mask, [size, size]. */
  public Mask crop(Mask mask) throws BadSampleException {
    return square(mask.width(), mask.height()).apply(mask);
  }

  /**
   * The largest factor by which decoding may scale a JPEG down: the result must not be smaller than
   * the size that it is resized to.
   */
  int reduction(int width, int height) {
    int times = Math.min(width, height) / resize;
    return Math.max(1, Math.min(8, Integer.highestOneBit(times)));
  }

  /** Values of a photo that is cropped and normalised. */
  public int values() {
    return 3 * size * size;
  }

  private SquareCrop square(int width, int height) throws BadSampleException {
    SquareCrop square = new SquareCrop(size, resize, squash);
    if (!square.scales(width, height)) {
      throw new BadSampleException(
          Code.UNSUPPORTED,
          width + "x" + height + " pixels cannot be scaled to a shorter side of " + resize);
    }
    return square;
  }

  /**
   * Cropped [size, size, 3] bytes -> normalised float32 [3, size, size], appended to the target.
   */
  public void normalise(RgbImage cropped, FloatBuffer target) {
    for (int c = 0; c < 3; c++) {
      float[] table = table(c);
      float[] plane = new float[size * size];
      for (int i = 0; i < plane.length; i++) {
        plane[i] = table[cropped.data()[i * 3 + c] & 0xFF];
      }
      target.put(plane);
    }
  }

  /**
   * Crops and normalises a picture while its rows come.
   *
   * @param planes float32 [3, size, size], filled when the last row of the region came
   */
  SquareCrop.Rows into(float[] planes, int width, int height) throws BadSampleException {
    float[][] tables = {table(0), table(1), table(2)};
    return square(width, height)
        .rows(
            width,
            height,
            (row, y) -> {
              for (int c = 0; c < 3; c++) {
                look(tables[c], row, c * size, planes, (c * size + y) * size, size);
              }
            });
  }

  private static void look(
      float[] table, int[] from, int start, float[] to, int target, int count) {
    for (int i = 0; i < count; i++) {
      to[target + i] = table[from[start + i]];
    }
  }

  /** Every byte's value, in torch's float32 order of operations. */
  private float[] table(int channel) {
    float m = mean.get(channel).floatValue();
    float s = std.get(channel).floatValue();
    float[] table = new float[256];
    for (int v = 0; v < 256; v++) {
      table[v] = ((v / 255f) - m) / s;
    }
    return table;
  }
}
