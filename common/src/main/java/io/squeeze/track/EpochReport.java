package io.squeeze.track;

import java.util.Map;

/**
 * The results of an epoch.
 *
 * @param epoch counted from 1
 * @param millis time of the epoch since 1970; it stays the same if the epoch is sent again
 * @param scalars by tag, {@code train/loss}; NaN and infinity are allowed
 * @param pictures PNG files by tag
 * @param histograms by tag
 * @param again whether an earlier process has sent it already, if it was not interrupted before
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
