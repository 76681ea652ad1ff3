package io.squeeze.track;

/**
 * How a run ended.
 *
 * @param message one sentence; empty of a completed run
 */
public record Ending(Status status, long millis, String message) {
  /** Completed its epochs, failed, or was interrupted. */
  public enum Status {
    COMPLETED,
    FAILED,
    STOPPED
  }
}
