package io.squeeze.torch;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;

/**
 * Runs an operation in pieces on as many threads as the calling thread was given. The problem
 * decides how an operation is cut, never the machine, and each piece is computed by one thread. So
 * the number of threads changes how long it takes, but no bit of the result.
 */
public final class Pieces {
  private static final ThreadLocal<Integer> THREADS = ThreadLocal.withInitial(() -> 1);

  /** Threads that help; each computes on its own. */
  private static final ExecutorService HELPERS =
      Executors.newCachedThreadPool(
          work -> {
            Runnable prepared =
                () -> {
                  Torch.prepare(1);
                  work.run();
                };
            Thread thread = new Thread(prepared, "squeeze-pieces");
            thread.setDaemon(true);
            return thread;
          });

  private Pieces() {}

  /** Lets the calling thread's operations use so many threads. */
  static void use(int threads) {
    THREADS.set(threads);
  }

  /**
   * Runs the pieces from 0 to {@code count}. The calling thread works, too; threads that come too
   * late find nothing left.
   *
   * @throws RuntimeException what the first failing piece threw, when all pieces have ended
   */
  public static void run(int count, IntConsumer piece) {
    int threads = Math.min(THREADS.get(), count);
    if (threads <= 1) {
      for (int i = 0; i < count; i++) {
        piece.accept(i);
      }
      return;
    }
    Round round = new Round(count, piece);
    for (int i = 1; i < threads; i++) {
      HELPERS.execute(round);
    }
    round.run();
    round.await();
  }

  private static final class Round implements Runnable {
    private final int count;
    private final IntConsumer piece;
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private int ended;

    Round(int count, IntConsumer piece) {
      this.count = count;
      this.piece = piece;
    }

    @Override
    public void run() {
      for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
        try {
          piece.accept(i);
        } catch (RuntimeException | Error e) {
          failure.compareAndSet(null, e);
        }
        synchronized (this) {
          ended++;
          notifyAll();
        }
      }
    }

    synchronized void await() {
      boolean interrupted = false;
      while (ended < count) {
        try {
          wait();
        } catch (InterruptedException e) {
          // Pieces write to memory that the caller owns, so they end first.
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
      if (failure.get() instanceof RuntimeException e) {
        throw e;
      }
      if (failure.get() instanceof Error e) {
        throw e;
      }
    }
  }
}
