package io.squeeze.jobs.photo;

import io.squeeze.image.BadSampleException;
import org.apache.spark.sql.Row;

/**
 * A listed sample after decoding: pixels for the backbone, or the reason why there are none.
 *
 * @param pixels [3, S, S], normalised
 * @param mask labels [S, S]; null where none is asked for
 * @param unscaled the same pixels from the photo at full size, if the effect of scaling is measured
 *     on it; otherwise null
 * @param warning of the decoder; null for none
 * @param stage of the rejection; null for a good sample
 */
public record PreparedSample(
    Row row,
    float[] pixels,
    float[] unscaled,
    byte[] mask,
    int height,
    int width,
    String warning,
    String stage,
    BadSampleException reason) {

  static PreparedSample rejected(Row row, String stage, BadSampleException reason) {
    return new PreparedSample(row, null, null, null, 0, 0, null, stage, reason);
  }
}
