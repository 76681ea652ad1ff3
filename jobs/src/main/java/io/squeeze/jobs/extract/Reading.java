package io.squeeze.jobs.extract;

import io.squeeze.image.BadSampleException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.image.ImageDecoder;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.storage.Storage;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.sql.Row;

/**
 * Finds the files of listed photos. Threads read a bounded number of them ahead, in the order of
 * the rows; without threads a file is read when it is asked for.
 */
final class Reading implements Iterator<Reading.Files>, AutoCloseable {
  private final Iterator<Row> rows;
  private final Source source;
  private final ExecutorService threads;
  private final int ahead;
  private final Deque<Files> begun = new ArrayDeque<>();
  private final AtomicLong nanos = new AtomicLong();

  /**
   * Where files are read from.
   *
   * @param root folder that paths of rows start from
   * @param masks whether masks are read, too
   */
  record Source(ImageDecoder decoder, Storage storage, String root, boolean masks) {}

  /** A file that can be read. */
  interface Bytes {
    byte[] get() throws BadSampleException;
  }

  /** A row with its files; {@code mask} is null where none is read. */
  record Files(Row row, Bytes image, Bytes mask) {}

  Reading(Iterator<Row> rows, Source source, int threads) {
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
  long nanos() {
    return nanos.get();
  }

  private Files files(Row row) {
    Bytes image = () -> read(row, Listing.IMAGE, Listing.IMAGE_BYTES);
    Bytes mask = () -> read(row, Columns.MASK, Listing.MASK_BYTES);
    if (threads == null) {
      return new Files(row, timed(image), source.masks() ? timed(mask) : null);
    }
    return new Files(row, begin(image), source.masks() ? begin(mask) : null);
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

  /** A file's bytes: of a table's row, or read by its path. */
  private byte[] read(Row row, String path, String bytes) throws BadSampleException {
    boolean held = Arrays.asList(row.schema().fieldNames()).contains(bytes);
    String name = row.getAs(path);
    byte[] own = held ? row.<byte[]>getAs(bytes) : null;
    if (own != null) {
      return source.decoder().checked(own, name);
    }
    // A row without bytes may name a file; the sample's id stands where it does not.
    if (name.isEmpty() || (held && name.equals(row.getAs(Columns.SAMPLE_ID)))) {
      throw new BadSampleException(Code.MISSING, "the list names no file");
    }
    if (name.startsWith("/")
        || name.contains(":")
        || Arrays.asList(name.split("/")).contains("..")) {
      throw new BadSampleException(Code.IO, "the path leaves the data set's folder: " + name);
    }
    return source.decoder().read(source.storage(), Storage.join(source.root(), name));
  }

  @Override
  public void close() {
    if (threads != null) {
      threads.shutdownNow();
    }
  }
}
