package io.squeeze.track;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.track.Ending.Status;
import io.squeeze.track.Outbox.Patience;
import java.io.IOException;
import java.time.Duration;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class TrackingTest {
  private static final Patience SHORT = new Patience(Duration.ofMillis(5), Duration.ofMillis(20));

  private static final AtomicInteger FAKES = new AtomicInteger();

  private final Heard heard = new Heard();
  private final Fake fake = new Fake();

  /** A tracker that fails as it is told to. */
  private static final class Fake implements Tracker {
    final Deque<Exception> failures = new ConcurrentLinkedDeque<>();
    final List<String> got = new CopyOnWriteArrayList<>();
    final String name = "Fake " + FAKES.incrementAndGet();
    final AtomicInteger pictures = new AtomicInteger();
    CountDownLatch gate = new CountDownLatch(0);

    @Override
    public String name() {
      return name;
    }

    @Override
    public void attach(RunInfo run) throws IOException, InterruptedException {
      take("attach " + run.name());
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
    public void log(EpochReport step) throws IOException, InterruptedException {
      take("epoch " + step.epoch());
      pictures.addAndGet(step.pictures().size());
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

  private static EpochReport step(int epoch) {
    return new EpochReport(epoch, 0, Map.of(), Map.of("p", new byte[1]), Map.of(), false);
  }

  /** Of a run that began. */
  private Tracking started() throws InterruptedException {
    Tracking tracking = tracking();
    tracking.start(run());
    while (fake.got.isEmpty()) {
      Thread.sleep(1);
    }
    return tracking;
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
    Tracking.settle(Duration.ofSeconds(10));
    assertThat(fake.got).containsExactly("start run", "epoch 1", "COMPLETED ");
    assertThat(heard.warned)
        .containsExactly(fake.name + ": down; the run goes on, and its messages are sent later");
  }

  @Test
  void aRefusalOfOneMessageLeavesThatOutAlone() throws InterruptedException {
    Tracking tracking = started();
    fake.failures.add(Refusal.ofThis("a line is no JSON"));
    tracking.log(step(1));
    tracking.log(step(2));
    tracking.finish(Status.COMPLETED, "");
    assertThat(fake.got).containsExactly("start run", "epoch 2", "COMPLETED ");
    assertThat(heard.warned)
        .containsExactly(fake.name + ": a line is no JSON; that part is left out");
  }

  @Test
  void aRefusalOfAllEndsItAsDoesOneOfTheBeginning() throws InterruptedException {
    Tracking tracking = started();
    fake.failures.add(Refusal.ofAll("credentials are refused"));
    tracking.log(step(1));
    tracking.finish(Status.COMPLETED, "");
    assertThat(fake.got).containsExactly("start run");
    assertThat(heard.warned)
        .containsExactly(fake.name + ": credentials are refused; the run goes on without it");

    Fake other = new Fake();
    other.failures.add(Refusal.ofThis("no such project"));
    Tracking never = new Tracking(List.of(other), heard, SHORT);
    never.start(run());
    never.log(step(1));
    never.finish(Status.COMPLETED, "");
    assertThat(other.got).isEmpty();
    assertThat(heard.warned).hasSize(2);
    assertThat(heard.said).isEmpty();
  }

  @Test
  void noRunWaitsForATrackerThatFailsAndTheProcessDoesOnce() throws InterruptedException {
    Tracking tracking = started();
    for (int i = 0; i < 10_000; i++) {
      fake.failures.add(new IOException("down"));
    }
    tracking.log(step(1));
    Thread.sleep(50);
    long began = System.nanoTime();
    tracking.finish(Status.COMPLETED, "");
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(5));
    Tracking.settle(Duration.ofMillis(100));
    assertThat(heard.warned)
        .containsExactly(
            fake.name + ": down; the run goes on, and its messages are sent later",
            fake.name + ": 2 messages of this run were not sent");
  }

  @Test
  void oneThatHangsDoesNotTakeTheTimeOfTheOthers() throws InterruptedException {
    Fake hanging = new Fake();
    hanging.gate = new CountDownLatch(1);
    Tracking tracking = new Tracking(List.of(hanging, fake), heard, SHORT);
    tracking.start(run());
    Thread end = new Thread(() -> tracking.finish(Status.COMPLETED, ""));
    end.start();
    while (fake.got.size() < 2) {
      Thread.sleep(1);
    }
    assertThat(fake.got).containsExactly("start run", "COMPLETED ");
    hanging.gate.countDown();
    end.join();
    assertThat(hanging.got).containsExactly("start run", "COMPLETED ");
  }

  @Test
  void whatPilesUpIsBoundedAndTheNewestArrives() throws Exception {
    fake.gate = new CountDownLatch(1);
    Outbox outbox = new Outbox(fake, heard, SHORT);
    for (int epoch = 0; epoch <= Outbox.CAPACITY + 10; epoch++) {
      outbox.add(step(epoch));
    }
    fake.gate.countDown();
    outbox.close();
    outbox.settle(System.nanoTime() + Duration.ofSeconds(20).toNanos());
    assertThat(fake.got)
        .hasSizeBetween(Outbox.CAPACITY, Outbox.CAPACITY + 1)
        .endsWith("epoch " + (Outbox.CAPACITY + 10));
    assertThat(fake.pictures.get()).isBetween(1, Outbox.WHOLE + 1);
    assertThat(heard.warned).hasSize(1);
    assertThat(heard.warned.get(0)).endsWith("messages of this run were not sent");
  }

  @Test
  void anAdditionToARunDoesNotChangeItsStatus() {
    Tracking tracking = tracking();
    tracking.attach(run());
    tracking.log(step(3));
    tracking.close();
    assertThat(fake.got).containsExactly("attach run", "epoch 3");
  }
}
