package io.squeeze.track;

import io.squeeze.track.Ending.Status;
import io.squeeze.track.Outbox.Patience;
import java.time.Duration;
import java.util.List;

/**
 * Tells a run to any number of trackers. No call blocks or fails; a process that is ended while the
 * run goes on tells them that it stopped.
 */
public final class Tracking implements AutoCloseable {
  /** A run that is done waits this long for slow trackers. */
  private static final Duration CLOSING = Duration.ofSeconds(20);

  /** One that is ended by a signal has less time. */
  private static final Duration STOPPING = Duration.ofSeconds(4);

  private final List<Outbox> outboxes;
  private final Thread stopped = new Thread(() -> end(Status.STOPPED, "Interrupted", STOPPING));
  private boolean ended;

  /** Tells the trackers. */
  public Tracking(List<Tracker> trackers, Voice voice) {
    this(trackers, voice, Patience.USUAL);
  }

  Tracking(List<Tracker> trackers, Voice voice, Patience patience) {
    this.outboxes = trackers.stream().map(t -> new Outbox(t, voice, patience)).toList();
    Runtime.getRuntime().addShutdownHook(stopped);
  }

  /** Before the first epoch. */
  public void start(RunInfo run) {
    outboxes.forEach(outbox -> outbox.add(tracker -> tracker.start(run)));
  }

  /** After an epoch. */
  public void log(Step step) {
    outboxes.forEach(outbox -> outbox.add(tracker -> tracker.log(step)));
  }

  /** A file that stays as it is. */
  public void keep(Artifact artifact) {
    outboxes.forEach(outbox -> outbox.add(tracker -> tracker.keep(artifact)));
  }

  /** After the last epoch, or a failure, with a sentence about it. */
  public void finish(Status status, String message) {
    try {
      Runtime.getRuntime().removeShutdownHook(stopped);
    } catch (IllegalStateException e) {
      return; // the process ends: the hook tells it
    }
    end(status, message, CLOSING);
  }

  private synchronized void end(Status status, String message, Duration patience) {
    if (ended) {
      return;
    }
    ended = true;
    Ending ending = new Ending(status, System.currentTimeMillis(), message);
    outboxes.forEach(outbox -> outbox.add(tracker -> tracker.finish(ending)));
    try {
      long deadline = System.nanoTime() + patience.toNanos();
      for (Outbox outbox : outboxes) {
        outbox.close(Duration.ofNanos(Math.max(1_000_000, deadline - System.nanoTime())));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Ends a run that nobody finished as failed. */
  @Override
  public void close() {
    finish(Status.FAILED, "");
  }
}
