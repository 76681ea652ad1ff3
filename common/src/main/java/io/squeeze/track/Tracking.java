package io.squeeze.track;

import io.squeeze.track.Ending.Status;
import io.squeeze.track.Outbox.Patience;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Reports a run to any number of trackers. No call fails, and no call waits for a tracker that
 * fails. If a signal ends the process during the run, it tells the trackers that the run stopped.
 */
public final class Tracking {
  /** A run that is done waits this long for trackers that are slow. */
  private static final Duration CLOSING = Duration.ofSeconds(20);

  /** A process that is ended by a signal has less time. */
  private static final Duration STOPPING = Duration.ofSeconds(4);

  /** Those of runs that are over, and still have something to send. */
  private static final Set<Outbox> LEFT = ConcurrentHashMap.newKeySet();

  private final List<Outbox> outboxes;
  private final Thread stopped = new Thread(this::stop);
  private boolean ended;

  /** Tells the trackers. */
  public Tracking(List<Tracker> trackers, UserMessages voice) {
    this(trackers, voice, Patience.USUAL);
  }

  Tracking(List<Tracker> trackers, UserMessages voice, Patience patience) {
    this.outboxes = trackers.stream().map(t -> new Outbox(t, voice, patience)).toList();
  }

  /** Before the first epoch; {@link #finish} must follow. */
  public void start(RunInfo run) {
    Runtime.getRuntime().addShutdownHook(stopped);
    outboxes.forEach(outbox -> outbox.add(tracker -> tracker.start(run)));
  }

  /** Instead of that, to add to a run that is over; {@link #close} must follow. */
  public void attach(RunInfo run) {
    outboxes.forEach(outbox -> outbox.add(tracker -> tracker.attach(run)));
  }

  /** After an epoch. */
  public void log(EpochReport step) {
    outboxes.forEach(outbox -> outbox.add(step));
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
    end(status, message);
    close();
  }

  private synchronized void end(Status status, String message) {
    if (!ended) {
      ended = true;
      Ending ending = new Ending(status, System.currentTimeMillis(), message);
      outboxes.forEach(outbox -> outbox.add(tracker -> tracker.finish(ending)));
    }
  }

  /** Waits a while for messages that are on their way. The rest is sent in the background. */
  public void close() {
    LEFT.addAll(outboxes);
    outboxes.forEach(Outbox::close);
    long deadline = System.nanoTime() + CLOSING.toNanos();
    try {
      for (Outbox outbox : outboxes) {
        outbox.await(deadline);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    LEFT.removeIf(Outbox::isOver);
  }

  private void stop() {
    end(Status.STOPPED, "Interrupted");
    LEFT.addAll(outboxes);
    outboxes.forEach(Outbox::close);
    settle(STOPPING);
  }

  /** At the end of a process: waits once more for what runs have left, and says what is lost. */
  public static void settle() {
    settle(CLOSING);
  }

  static void settle(Duration longest) {
    long deadline = System.nanoTime() + longest.toNanos();
    try {
      for (Outbox outbox : List.copyOf(LEFT)) {
        outbox.settle(deadline);
        LEFT.remove(outbox);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
