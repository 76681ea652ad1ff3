package io.squeeze.jobs.faults;

import io.squeeze.config.LossSettings;
import io.squeeze.segment.LossType;
import io.squeeze.segment.SegmentationLoss;

/** A loss whose failure Java cannot serialize, as one that holds a native handle. */
public final class Unsendable implements LossType {
  @Override
  public String name() {
    return "unsendable";
  }

  @Override
  public SegmentationLoss create(LossSettings settings, int classes) {
    return (logits, target) -> {
      throw new Holding();
    };
  }

  private static final class Holding extends RuntimeException {
    private static final long serialVersionUID = 1L;

    @SuppressWarnings({"serial", "unused"}) // that is the point
    private final Object held = Thread.currentThread();

    Holding() {
      super("It holds a thread");
    }
  }
}
