package io.squeeze.jobs.console;

import java.time.Duration;
import java.util.Locale;
import java.util.function.LongSupplier;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Shows how far a long job is: a bar on a terminal, a line every few seconds elsewhere. */
public final class Progress implements AutoCloseable {
  private static final Duration EVERY = Duration.ofSeconds(5);

  private final Thread thread;
  private final ProgressBar bar;
  private final Reporter reporter;
  private final String task;
  private final String unit;
  private final long total;
  private final LongSupplier done;
  private final long started = System.nanoTime();

  /** Watches a count until closed. */
  public Progress(Reporter reporter, String task, String unit, long total, LongSupplier done) {
    this.reporter = reporter;
    this.task = task;
    this.unit = unit;
    this.total = total;
    this.done = done;
    this.bar = reporter.terminal() ? bar() : null;
    this.thread = new Thread(this::watch, "progress");
    thread.setDaemon(true);
    thread.start();
  }

  private ProgressBar bar() {
    return new ProgressBarBuilder()
        .setTaskName(task)
        .setInitialMax(total)
        .setUnit(" " + unit, 1)
        .setStyle(ProgressBarStyle.ASCII)
        .setUpdateIntervalMillis(500)
        .showSpeed()
        .setConsumer(new ConsoleProgressBarConsumer(reporter.progress()))
        .build();
  }

  private void watch() {
    try {
      while (true) {
        Thread.sleep(bar != null ? 500 : EVERY.toMillis());
        show();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void show() {
    long now = Math.min(total, done.getAsLong());
    if (bar != null) {
      bar.stepTo(now);
      return;
    }
    double seconds = seconds();
    double rate = now / seconds;
    String left = now == 0 ? "" : String.format(Locale.ROOT, ", %.0f s left", (total - now) / rate);
    reporter.say(
        String.format(
            Locale.ROOT, "%s: %d of %d %s, %.1f/s%s", task, now, total, unit, rate, left));
  }

  /** Seconds since it began. */
  public double seconds() {
    return (System.nanoTime() - started) / 1e9;
  }

  @Override
  public void close() {
    thread.interrupt();
    if (bar != null) {
      bar.stepTo(Math.min(total, done.getAsLong()));
      bar.close();
    }
  }
}
