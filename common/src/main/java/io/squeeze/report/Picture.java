package io.squeeze.report;

import io.squeeze.image.Mask;
import io.squeeze.image.RgbImage;

/**
 * A sample, its masks and what they reached.
 *
 * @param photo as the backbone saw it, as large as the masks; null where it could not be read
 * @param baseline null without one
 * @param baselineIou NaN without one, or where no class occurs
 */
public record Picture(
    String id,
    RgbImage photo,
    Mask truth,
    Mask baseline,
    Mask quantized,
    double baselineIou,
    double quantizedIou) {}
