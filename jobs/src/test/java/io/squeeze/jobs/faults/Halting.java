package io.squeeze.jobs.faults;

import io.squeeze.config.LossSettings;
import io.squeeze.segment.LossType;
import io.squeeze.segment.SegmentationLoss;

/** A loss that ends its JVM, as an out-of-memory killer does. */
public final class Halting implements LossType {
  private static final int KILLED = 137;

  @Override
  public String name() {
    return "halting";
  }

  @Override
  public SegmentationLoss create(LossSettings settings, int classes) {
    return (logits, target) -> {
      Runtime.getRuntime().halt(KILLED);
      return null;
    };
  }
}
