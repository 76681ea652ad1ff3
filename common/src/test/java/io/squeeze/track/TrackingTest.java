package io.squeeze.track;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.track.Ending.Status;
import io.squeeze.track.Outbox.Patience;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class TrackingTest {
  private static final Patience SHORT = new Patience(Duration.ofMillis(5), Duration.ofMillis(20));

  private final Heard heard = new Heard();
  private final Fake fake = new Fake();

  /** A tracker that fails as it is told to. */
  private static final class Fake implements Tracker {
    final Deque<Exception> failures = new ArrayDeque<>();
    final List<String> got = new CopyOnWriteArrayList<>();
    CountDownLatch gate = new CountDownLatch(0);

    @Override
    public String name() {
      return "Fake";
    }

    private void take(String what) throws IOException, InterruptedException {
      gate.await();
      Exception failure = failures.pollFirst();
      if (failure instanceof IOException e) {
        throw e;
      }
      if (failure instanceof RuntimeException e) {
        throw e;
      }
      got.add(what);
    }

    @Override
    public void start(RunInfo run) throws IOException, InterruptedException {
      take("start " + run.name());
    }

    @Override
    public void log(Step step) throws IOException, InterruptedException {
      take("epoch " + step.epoch());
    }

    @Override
    public void keep(Artifact artifact) throws IOException, InterruptedException {
      take("keep " + artifact.name());
    }

    @Override
    public void finish(Ending ending) throws IOException, InterruptedException {
      take(ending.status() + " " + ending.message());
    }
  }

  private Tracking tracking() {
    return new Tracking(List.of(fake), heard, SHORT);
  }

  private static RunInfo run() {
    return new RunInfo("project", "run", Map.of(), 0, new KnownIds());
  }

  private static Step step(int epoch) {
    return new Step(epoch, 0, Map.of(), Map.of(), Map.of());
  }

  @Test
  void whatFailsIsSentAgainInOrderAndTheUserIsWarnedOnce() {
    fake.failures.addAll(
        List.of(
            new IOException("down"),
            new IllegalStateException("odd answer"),
            new IOException("down")));
    Tracking tracking = tracking();
    tracking.start(run());
    tracking.log(step(1));
    tracking.finish(Status.COMPLETED, "");
    assertThat(fake.got).containsExactly("start run", "epoch 1", "COMPLETED ");
    assertThat(heard.warned)
        .containsExactly("Fake: down; the run goes on, and what it tells is sent later");
  }

  @Test
  void aRefusalOfAllEndsItAndOneOfAMessageDoesNot() {
    fake.failures.add(Refusal.ofThis("a line is no JSON"));
    try (Tracking tracking = tracking()) {
      tracking.start(run());
      tracking.log(step(1));
    }
    assertThat(fake.got).containsExactly("epoch 1", "FAILED ");
    fake.got.clear();
    fake.failures.add(Refusal.ofAll("credentials are refused"));
    Tracking refused = tracking();
    refused.start(run());
    refused.log(step(1));
    refused.finish(Status.COMPLETED, "");
    assertThat(fake.got).isEmpty();
    assertThat(heard.warned)
        .containsExactly(
            "Fake: a line is no JSON; the run goes on without it",
            "Fake: credentials are refused; the run goes on without it");
    assertThat(heard.said).isEmpty();
  }

  @Test
  void aTrackerThatHangsHoldsNothingUpAndWhatPilesUpIsBounded() throws Exception {
    fake.gate = new CountDownLatch(1);
    Outbox outbox = new Outbox(fake, heard, SHORT);
    long began = System.nanoTime();
    for (int epoch = 0; epoch < 5 * Outbox.CAPACITY; epoch++) {
      Step step = step(epoch);
      outbox.add(tracker -> tracker.log(step));
    }
    outbox.close(Duration.ofMillis(50));
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(10));
    assertThat(heard.said).hasSize(1);
    assertThat(heard.said.get(0)).endsWith("messages of this run were not sent");
  }

  @Test
  void aTrackerThatComesBackGetsTheNewestOfWhatPiledUp() throws Exception {
    fake.gate = new CountDownLatch(1);
    Outbox outbox = new Outbox(fake, heard, SHORT);
    for (int epoch = 0; epoch <= Outbox.CAPACITY + 10; epoch++) {
      Step step = step(epoch);
      outbox.add(tracker -> tracker.log(step));
    }
    fake.gate.countDown();
    outbox.close(Duration.ofSeconds(20));
    assertThat(fake.got)
        .hasSizeBetween(Outbox.CAPACITY, Outbox.CAPACITY + 1)
        .endsWith("epoch " + (Outbox.CAPACITY + 10));
  }

  @Test
  void aRunThatNobodyFinishedHasFailed() {
    try (Tracking tracking = tracking()) {
      tracking.start(run());
    }
    assertThat(fake.got).containsExactly("start run", "FAILED ");
  }
}
