package io.squeeze.track;

import java.util.Map;

/**
 * What an epoch gave.
 *
 * @param epoch counted from 1
 * @param millis when, since 1970: of one epoch always the same, however often it is sent
 * @param scalars by tag, {@code train/loss}; NaN and infinity are allowed
 * @param pictures PNG files by tag
 * @param histograms by tag
 * @param again whether an earlier process sent it, unless that was cut off
 */
public record EpochReport(
    int epoch,
    long millis,
    Map<String, Double> scalars,
    Map<String, byte[]> pictures,
    Map<String, Histogram> histograms,
    boolean again) {

  /** Numbers alone. */
  public static EpochReport of(int epoch, long millis, Map<String, Double> scalars, boolean again) {
    return new EpochReport(epoch, millis, scalars, Map.of(), Map.of(), again);
  }
}
