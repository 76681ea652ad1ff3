package io.squeeze.jobs.photo;

import io.squeeze.image.BadSampleException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.sql.Row;

/**
 * The files of photos. Threads read a bounded number of them ahead, in the order of the rows;
 * without threads a file is read when it is asked for.
 */
public final class Reading implements Iterator<Reading.Files>, AutoCloseable {
  private final Iterator<Row> rows;
  private final Source source;
  private final ExecutorService threads;
  private final int ahead;
  private final Deque<Files> begun = new ArrayDeque<>();
  private final AtomicLong nanos = new AtomicLong();

  /** Says where the files of a row are. */
  public interface Source {
    Files files(Row row);
  }

  /** A file that can be read. */
  public interface Bytes {
    byte[] get() throws BadSampleException;
  }

  /**
   * A row with its files.
   *
   * @param mask null where none is read
   * @param refusal why the row is not used; null for one that is
   */
  public record Files(Row row, Bytes image, Bytes mask, BadSampleException refusal) {}

  /**
   * Reads the files of rows.
   *
   * @param threads that read ahead; 0 for none
   */
  public Reading(Iterator<Row> rows, Source source, int threads) {
    this.rows = rows;
    this.source = source;
    this.threads = threads == 0 ? null : Threads.fixed(threads, "read");
    this.ahead = 2 * threads;
  }

  @Override
  public boolean hasNext() {
    while (threads != null && begun.size() < ahead && rows.hasNext()) {
      begun.add(files(rows.next()));
    }
    return threads == null ? rows.hasNext() : !begun.isEmpty();
  }

  @Override
  public Files next() {
    return threads == null ? files(rows.next()) : begun.remove();
  }

  /** Time in which somebody waited for a file, of all threads that did together. */
  public long nanos() {
    return nanos.get();
  }

  private Files files(Row row) {
    Files found = source.files(row);
    return new Files(row, begun(found.image()), begun(found.mask()), found.refusal());
  }

  private Bytes begun(Bytes file) {
    if (file == null) {
      return null;
    }
    return threads == null ? timed(file) : begin(file);
  }

  private Bytes begin(Bytes file) {
    Future<byte[]> future = threads.submit(file::get);
    return timed(
        () -> {
          try {
            return future.get();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("Interrupted while reading", e);
          } catch (ExecutionException e) {
            if (e.getCause() instanceof BadSampleException bad) {
              throw bad;
            }
            throw Threads.unchecked("Reading", e);
          }
        });
  }

  private Bytes timed(Bytes file) {
    return () -> {
      long start = System.nanoTime();
      try {
        return file.get();
      } finally {
        nanos.addAndGet(System.nanoTime() - start);
      }
    };
  }

  @Override
  public void close() {
    if (threads != null) {
      threads.shutdownNow();
    }
  }
}
