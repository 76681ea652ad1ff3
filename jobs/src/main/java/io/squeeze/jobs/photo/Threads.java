package io.squeeze.jobs.photo;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Threads that work beside a task, and do not keep its executor alive. */
final class Threads {
  private Threads() {}

  static ExecutorService fixed(int count, String name) {
    return Executors.newFixedThreadPool(
        count,
        task -> {
          Thread thread = new Thread(task, name);
          thread.setDaemon(true);
          return thread;
        });
  }

  /** What a thread threw, to be thrown on. */
  static RuntimeException unchecked(String work, ExecutionException failure) {
    return failure.getCause() instanceof RuntimeException known
        ? known
        : new IllegalStateException(work + " failed", failure.getCause());
  }
}
