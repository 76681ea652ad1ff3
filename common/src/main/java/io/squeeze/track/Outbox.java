package io.squeeze.track;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Hands a run's messages to one tracker, in order, on a thread of its own. What fails is tried
 * again after longer and longer waits; what piles up meanwhile is bounded, the oldest going first.
 * The user is warned once.
 */
final class Outbox {
  static final int CAPACITY = 1000;

  /** Something for the tracker. */
  interface Message {
    void send(Tracker tracker) throws IOException, InterruptedException;
  }

  /**
   * How long it waits.
   *
   * @param first before the second try
   * @param longest before any
   */
  record Patience(Duration first, Duration longest) {
    static final Patience USUAL = new Patience(Duration.ofSeconds(1), Duration.ofMinutes(1));
  }

  private final Tracker tracker;
  private final Voice voice;
  private final Patience patience;
  private final Deque<Message> queue = new ArrayDeque<>();
  private final Thread thread;
  private boolean closing;
  private boolean warned;
  private boolean refused;
  private int lost;

  Outbox(Tracker tracker, Voice voice, Patience patience) {
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
    }
  }

  /** Null once all is sent and nothing more will come. */
  private synchronized Message next() throws InterruptedException {
    while (queue.isEmpty() && !closing) {
      wait();
    }
    return queue.pollFirst();
  }

  /** Whether the tracker wants more. */
  private boolean deliver(Message message) throws InterruptedException {
    long delay = patience.first().toMillis();
    while (true) {
      try {
        message.send(tracker);
        return true;
      } catch (Refusal e) {
        if (e.lasting()) {
          refuse(e);
          return false;
        }
        warn(e, "the run goes on without it");
        return true;
      } catch (IOException | RuntimeException e) {
        warn(e, "the run goes on, and what it tells is sent later");
      }
      pause(delay);
      delay = Math.min(2 * delay, patience.longest().toMillis());
    }
  }

  private synchronized void pause(long millis) throws InterruptedException {
    // Woken by what is added, too: that is no reason to try earlier, a close is.
    long end = System.nanoTime() + millis * 1_000_000;
    boolean before = closing;
    for (long left = millis; left > 0 && before == closing; ) {
      wait(left);
      left = (end - System.nanoTime()) / 1_000_000;
    }
  }

  private synchronized void refuse(Refusal refusal) {
    refused = true;
    queue.clear();
    warn(refusal, "the run goes on without it");
  }

  private void warn(Exception cause, String consequence) {
    if (!warned) {
      warned = true;
      String message = cause.getMessage() == null ? cause.toString() : cause.getMessage();
      voice.warn(
          tracker.name() + ": " + message.lines().findFirst().orElse("") + "; " + consequence);
    }
  }

  /** Waits until all is sent, but no longer than so. */
  void close(Duration longest) throws InterruptedException {
    synchronized (this) {
      closing = true;
      notifyAll();
    }
    thread.join(longest.toMillis());
    boolean stuck = thread.isAlive();
    thread.interrupt();
    synchronized (this) {
      int missed = lost + queue.size() + (stuck ? 1 : 0);
      if (missed > 0 && !refused) {
        voice.say(tracker.name() + ": " + missed + " messages of this run were not sent");
      }
    }
  }
}
