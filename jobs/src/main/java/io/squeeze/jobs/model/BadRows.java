package io.squeeze.jobs.model;

import io.squeeze.config.DataSettings;

/**
 * What rows without a usable vector mean.
 *
 * @param fail whether one of them ends the command
 * @param most largest share of them that is left out
 */
public record BadRows(boolean fail, double most) {

  /** As {@code data.on-bad-sample} and {@code data.max-bad-fraction} say. */
  public static BadRows of(DataSettings settings) {
    return new BadRows(settings.failOnBadSample(), settings.maxBadFraction());
  }
}
