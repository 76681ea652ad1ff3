package io.squeeze.jobs.extract;

import io.squeeze.backbone.Grid;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.jobs.extract.FileResult.Tally;
import io.squeeze.jobs.extract.StoredForm.Stored;
import io.squeeze.jobs.photo.PreparedSample;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.ParquetFile;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.io.api.Binary;
import org.apache.spark.sql.Row;

/** The file of rows, and the file of rejects once there is one, written in a thread of its own. */
final class Output implements AutoCloseable {
  /** Samples that wait for the writer: the largest row has 6 MB. */
  private static final int WAITING = 16;

  private final ExtractTask task;
  private final String name;
  private final StoredForm form;
  private final Grid grid;
  private final ParquetFile rows;
  private final BlockingQueue<Optional<Item>> queue = new ArrayBlockingQueue<>(WAITING);
  private final Thread thread;
  private ParquetFile rejected;
  private volatile Throwable failure;
  private final AtomicLong nanos = new AtomicLong();
  private boolean closed;

  /** A sample and what is stored of it; null for a reject. */
  private record Item(PreparedSample sample, Stored value) {}

  /**
   * Begins the files.
   *
   * @param behind whether a separate thread writes the rows; otherwise the caller of {@link #put}
   *     writes them
   */
  Output(ExtractTask task, String name, StoredForm form, Grid grid, boolean behind)
      throws IOException {
    this.task = task;
    this.name = name;
    this.form = form;
    this.grid = grid;
    this.rows =
        new ParquetFile(
            task.storage(),
            Storage.join(task.target(), name),
            form.schema(task.dataset().columns()));
    this.thread = behind ? new Thread(this::write, "write") : null;
    if (behind) {
      thread.setDaemon(true);
      thread.start();
    }
  }

  /** Hands a sample over; waits where the writer is behind. */
  boolean put(PreparedSample sample, Stored value) throws IOException {
    Item item = new Item(sample, value);
    if (thread != null) {
      hand(Optional.of(item));
    } else {
      timed(item);
    }
    return true;
  }

  private void hand(Optional<Item> item) throws IOException {
    try {
      while (!queue.offer(item, 100, TimeUnit.MILLISECONDS)) {
        check();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("Interrupted while writing", e);
    }
    check();
  }

  private void check() throws IOException {
    Throwable thrown = failure;
    if (thrown instanceof SqueezeException ours) {
      throw ours;
    }
    if (thrown != null) {
      throw new IOException(thrown.getMessage(), thrown);
    }
  }

  private void write() {
    try {
      for (Optional<Item> item = queue.take(); item.isPresent(); item = queue.take()) {
        timed(item.get());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException | RuntimeException | Error e) {
      failure = e;
    }
  }

  private void timed(Item item) throws IOException {
    long began = System.nanoTime();
    write(item);
    nanos.addAndGet(System.nanoTime() - began);
  }

  private void write(Item item) throws IOException {
    PreparedSample sample = item.sample();
    if (sample.stage() != null) {
      reject(sample.row(), sample.stage(), sample.reason());
    } else if (item.value() == null) {
      String reason =
          "the backbone gives NaN or infinity"
              + (form.half()
                  ? ", or more than float16 holds (extract.embedding-dtype = float32)"
                  : "");
      reject(sample.row(), "features", new BadSampleException(Code.NOT_FINITE, reason));
    } else {
      add(sample, item.value());
    }
  }

  private void add(PreparedSample sample, Stored value) throws IOException {
    Group row = rows.row();
    row.add(Columns.SAMPLE_ID, sample.row().<String>getAs(Columns.SAMPLE_ID));
    row.add(Columns.IMAGE_PATH, sample.row().<String>getAs(Listing.IMAGE));
    row.add(Columns.HEIGHT, sample.height());
    row.add(Columns.WIDTH, sample.width());
    if (form.shapes()) {
      row.add(Columns.CHANNELS, grid.channels());
      row.add(Columns.GRID_HEIGHT, grid.height());
      row.add(Columns.GRID_WIDTH, grid.width());
      row.add(Columns.DTYPE, form.dtype());
    }
    value.put(row);
    if (form.masks()) {
      row.add(Columns.MASK, Binary.fromConstantByteArray(sample.mask()));
    }
    for (int i = 0; i < task.dataset().columns().size(); i++) {
      Column column = task.dataset().columns().get(i);
      Object described = sample.row().get(Listing.DESCRIBED + i);
      if (described instanceof Integer number) {
        row.add(column.name(), number);
      } else if (described != null) {
        row.add(column.name(), described.toString());
      }
    }
    rows.write(row);
  }

  private void reject(Row row, String stage, BadSampleException reason) throws IOException {
    String id = row.getAs(Columns.SAMPLE_ID);
    if (task.settings().data().failOnBadSample()) {
      throw SqueezeException.input(
          ("Bad sample %s (%s, %s): %s; data.on-bad-sample = skip would list it among the "
                  + "rejects")
              .formatted(id, stage, reason.code(), reason.getMessage()));
    }
    if (rejected == null) {
      String path = Storage.join(task.rejects(), rejectName(name));
      rejected = new ParquetFile(task.storage(), path, Columns.rejects().message("rejects"));
    }
    Group group = rejected.row();
    group.add(Columns.SAMPLE_ID, id);
    group.add(Columns.SPLIT, task.plan().splits().get(row.getAs(Columns.SPLIT_INDEX)));
    group.add(Columns.IMAGE_PATH, row.<String>getAs(Listing.IMAGE));
    group.add(Columns.STAGE, stage);
    group.add(Columns.CODE, reason.code().name());
    group.add(Columns.MESSAGE, reason.getMessage());
    rejected.write(group);
  }

  /**
   * Waits for the writer and closes the files. It closes the rejects first: if the file of rows is
   * complete, so is the other.
   */
  boolean finish() throws IOException {
    if (thread != null) {
      hand(Optional.empty());
      join();
      check();
    }
    closeFiles();
    return true;
  }

  private void join() throws IOException {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("Interrupted while writing", e);
    }
  }

  private void closeFiles() throws IOException {
    if (!closed) {
      closed = true;
      if (rejected != null) {
        rejected.close();
      }
      rows.close();
    }
  }

  /** Time spent on writing, in nanoseconds. */
  long nanos() {
    return nanos.get();
  }

  FileResult written(Tally tally) {
    DataFile data = new DataFile(name, rows.bytes(), rows.rows(), rows.sha256());
    DataFile bad =
        rejected == null
            ? null
            : new DataFile(rejectName(name), rejected.bytes(), rejected.rows(), rejected.sha256());
    return new FileResult(data, bad, tally);
  }

  @Override
  public void close() throws IOException {
    if (!closed) {
      if (thread != null) {
        thread.interrupt();
        join();
      }
      closeFiles();
    }
  }

  /** The file of rejects beside a file of rows. */
  static String rejectName(String name) {
    return name.replace("split=", "").replace('/', '-');
  }
}
