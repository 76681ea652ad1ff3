package io.squeeze.track;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Sends a run's messages to one tracker, in order, on its own thread. After a failure it tries
 * again, with longer and longer waits. At most {@link #CAPACITY} messages wait meanwhile; the
 * oldest is dropped first. A process warns the user once about each kind of failure of a tracker,
 * however many runs it has.
 */
final class Outbox {
  static final int CAPACITY = 1000;

  /** With this many waiting messages, an epoch is added with its numbers only. */
  static final int WHOLE = 20;

  private static final Set<String> WARNED = ConcurrentHashMap.newKeySet();

  /** Something for the tracker. */
  interface Message {
    void send(Tracker tracker) throws IOException, InterruptedException;
  }

  /**
   * The waits between two tries.
   *
   * @param first wait before the second try
   * @param longest longest wait before any try
   */
  record Patience(Duration first, Duration longest) {
    static final Patience USUAL = new Patience(Duration.ofSeconds(1), Duration.ofMinutes(1));
  }

  private final Tracker tracker;
  private final UserMessages voice;
  private final Patience patience;
  private final Deque<Message> queue = new ArrayDeque<>();
  private final Thread thread;
  private boolean opened;
  private boolean closing;
  private boolean failing;
  private boolean refused;
  private boolean sending;
  private boolean over;
  private int lost;

  Outbox(Tracker tracker, UserMessages voice, Patience patience) {
    this.tracker = tracker;
    this.voice = voice;
    this.patience = patience;
    this.thread = new Thread(this::work, "tracker " + tracker.name());
    thread.setDaemon(true);
    thread.start();
  }

  /** Never blocks. */
  synchronized void add(Message message) {
    if (refused) {
      return;
    }
    if (queue.size() == CAPACITY) {
      queue.pollFirst();
      lost++;
    }
    queue.addLast(message);
    notifyAll();
  }

  /** The same for an epoch, without its pictures and histograms where many wait already. */
  synchronized void add(EpochReport step) {
    EpochReport shown =
        queue.size() < WHOLE
            ? step
            : EpochReport.of(step.epoch(), step.millis(), step.scalars(), step.again());
    add(tracker -> tracker.log(shown));
  }

  private void work() {
    try {
      while (true) {
        Message message = next();
        if (message == null || !deliver(message)) {
          return;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (Error e) {
      // The tracker ends, not the run.
      refuse(Refusal.ofAll("fails with " + e));
    } finally {
      synchronized (this) {
        over = true;
        sending = false;
        notifyAll();
      }
    }
  }

  /** Null once all is sent and nothing more will come. */
  private synchronized Message next() throws InterruptedException {
    sending = false;
    while (queue.isEmpty() && !closing) {
      notifyAll();
      wait();
    }
    Message next = queue.pollFirst();
    sending = next != null;
    return next;
  }

  /** Whether the tracker wants more. */
  private boolean deliver(Message message) throws InterruptedException {
    long delay = patience.first().toMillis();
    while (true) {
      try {
        message.send(tracker);
        delivered();
        return true;
      } catch (Refusal e) {
        // The tracker has not opened the run, so it cannot take any later message.
        if (e.lasting() || !opened) {
          refuse(e);
          return false;
        }
        warn("part", e, "that part is left out");
        return true;
      } catch (IOException | RuntimeException e) {
        warn("down", e, "the run goes on, and its messages are sent later");
      }
      boolean inTime = pause(delay);
      delay =
          inTime ? Math.min(2 * delay, patience.longest().toMillis()) : patience.first().toMillis();
    }
  }

  private synchronized void delivered() {
    opened = true;
    failing = false;
  }

  /** False if it was cut short, since the run is over. */
  private synchronized boolean pause(long millis) throws InterruptedException {
    failing = true;
    notifyAll();
    long end = System.nanoTime() + millis * 1_000_000;
    boolean before = closing;
    // A new message wakes this thread, too. It is no reason to try earlier, but the end of the run
    // is.
    for (long left = millis; left > 0 && before == closing; ) {
      wait(left);
      left = (end - System.nanoTime()) / 1_000_000;
    }
    return before == closing;
  }

  private synchronized void refuse(Refusal refusal) {
    refused = true;
    queue.clear();
    warn("refused", refusal, "the run goes on without it");
  }

  private void warn(String kind, Exception cause, String consequence) {
    String message = cause.getMessage() == null ? cause.toString() : cause.getMessage();
    String line = message.lines().findFirst().orElse("");
    if (WARNED.add(kind + " " + tracker.name())) {
      voice.warn(tracker.name() + ": " + line + "; " + consequence);
    }
  }

  /** Nothing more will come. */
  synchronized void close() {
    closing = true;
    notifyAll();
  }

  /** Waits until all is sent, but not for a tracker that fails. */
  synchronized void await(long deadlineNanos) throws InterruptedException {
    while (!failing && left(deadlineNanos) > 0 && !isDone()) {
      wait(left(deadlineNanos));
    }
  }

  /**
   * Waits until all is sent or the deadline has passed. Then it gives up and warns about lost
   * messages.
   */
  synchronized void settle(long deadlineNanos) throws InterruptedException {
    while (left(deadlineNanos) > 0 && !isDone()) {
      wait(left(deadlineNanos));
    }
    int missed = lost + queue.size() + (sending ? 1 : 0);
    queue.clear();
    thread.interrupt();
    if (missed > 0 && !refused) {
      voice.warn(tracker.name() + ": " + missed + " messages of this run were not sent");
    }
  }

  private static long left(long deadlineNanos) {
    return (deadlineNanos - System.nanoTime()) / 1_000_000;
  }

  private boolean isDone() {
    return over || (queue.isEmpty() && !sending);
  }

  /** Whether all is sent or refused. */
  synchronized boolean isOver() {
    return closing && isDone();
  }
}
