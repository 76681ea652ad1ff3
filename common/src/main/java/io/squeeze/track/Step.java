package io.squeeze.track;

import java.util.Map;

/**
 * What an epoch gave.
 *
 * @param epoch counted from 1
 * @param millis when, since 1970
 * @param scalars by tag, {@code train/loss}; NaN and infinity are allowed
 * @param pictures PNG files by tag
 * @param histograms by tag
 */
public record Step(
    int epoch,
    long millis,
    Map<String, Double> scalars,
    Map<String, byte[]> pictures,
    Map<String, Histogram> histograms) {}
