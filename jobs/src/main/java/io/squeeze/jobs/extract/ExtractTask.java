package io.squeeze.jobs.extract;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.Backbone;
import io.squeeze.backbone.Grid;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.jobs.extract.Written.Tally;
import io.squeeze.jobs.spark.Backbones;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.Manifest.DataFile;
import io.squeeze.jobs.spark.ParquetFile;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.storage.Storage;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import io.squeeze.weights.ElementType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.io.api.Binary;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.util.LongAccumulator;
import scala.Tuple2;

/**
 * Turns the listed samples of one file into its rows, and what cannot be used into rejects.
 * Decoding runs ahead in threads of its own, writing behind in another.
 *
 * @param run tells the files of this run from those that an earlier one left
 * @param left whole files of earlier runs, maybe, by their stem
 * @param checkpoint whose quantizer turns features into codes; null to keep features
 */
record ExtractTask(
    SegmentationDataset dataset,
    HadoopStorage storage,
    String root,
    Settings settings,
    Backbones.Shipped shipped,
    ElementType type,
    FilePlan plan,
    String target,
    String rejects,
    String run,
    Map<String, String> left,
    Broadcast<Checkpoint> checkpoint,
    LongAccumulator seen)
    implements FlatMapFunction<Iterator<Tuple2<Long, Row>>, Written> {

  @Override
  public Iterator<Written> call(Iterator<Tuple2<Long, Row>> rows) throws IOException {
    if (!rows.hasNext()) {
      return List.<Written>of().iterator();
    }
    int file = TaskContext.getPartitionId();
    String stem = plan.stem(file);
    Optional<Written> whole = found(stem, plan.rowsOf(file));
    if (whole.isPresent()) {
      seen.add(plan.rowsOf(file));
      return List.of(whole.get()).iterator();
    }
    String name = stem + "-" + run + "-" + TaskContext.get().taskAttemptId() + ".parquet";
    Device device = Tasks.start();
    Backbone backbone = shipped.load(device);
    int batchSize = settings.extract().batchSize(device.isGpu());
    Decoding.Preparation preparation =
        new Decoding.Preparation(
            dataset, storage, root, settings, backbone.preprocessing(), checkpoint == null);
    Iterator<Row> listed =
        new Iterator<>() {
          @Override
          public boolean hasNext() {
            return rows.hasNext();
          }

          @Override
          public Row next() {
            return rows.next()._2();
          }
        };
    int threads = settings.extract().decodeThreads();
    try (NDManager manager = Torch.manager(device);
        Form form = Form.of(type, checkpoint == null ? null : checkpoint.value(), manager);
        Decoding decoding = new Decoding(listed, preparation, threads, 2 * batchSize + threads);
        Output output = new Output(name, form, backbone.grid())) {
      Forward forward = new Forward(manager, backbone, form, output, new Fitting(batchSize));
      List<Prepared> batch = new ArrayList<>();
      while (forward.waiting(decoding::hasNext)) {
        Prepared sample = forward.waiting(decoding::next);
        if (sample.stage() != null) {
          output.put(sample, null);
        } else {
          batch.add(sample);
        }
        if (batch.size() == batchSize) {
          forward.run(batch);
          batch.clear();
        }
        seen.add(1);
      }
      forward.run(batch);
      forward.waiting(output::finish);
      return List.of(output.written(forward.tally(decoding.nanos()))).iterator();
    }
  }

  /** The file as an earlier run left it, if every row and reject of it is there. */
  private Optional<Written> found(String stem, long expected) throws IOException {
    String name = left.get(stem);
    if (name == null) {
      return Optional.empty();
    }
    Optional<DataFile> rows = ParquetFile.find(storage, Storage.join(target, name), name);
    if (rows.isEmpty()) {
      return Optional.empty();
    }
    DataFile bad = null;
    String rejectName = rejectName(name);
    String rejectPath = Storage.join(rejects, rejectName);
    if (rows.get().rows() < expected && storage.exists(rejectPath)) {
      bad = ParquetFile.find(storage, rejectPath, rejectName).orElse(null);
    }
    return rows.get().rows() + (bad == null ? 0 : bad.rows()) == expected
        ? Optional.of(new Written(rows.get(), bad, Tally.NOTHING))
        : Optional.empty();
  }

  private static String rejectName(String name) {
    return name.replace("split=", "").replace('/', '-');
  }

  /** The forward passes of a task, with what they waited for. */
  private static final class Forward {
    private final NDManager manager;
    private final Backbone backbone;
    private final Form form;
    private final Output output;
    private final Fitting fitting;
    private long images;
    private long nanos;
    private long waited;

    Forward(NDManager manager, Backbone backbone, Form form, Output output, Fitting fitting) {
      this.manager = manager;
      this.backbone = backbone;
      this.form = form;
      this.output = output;
      this.fitting = fitting;
    }

    /** Something that another thread must be waited for. */
    private interface Awaited<T> {
      T get() throws IOException;
    }

    <T> T waiting(Awaited<T> awaited) throws IOException {
      long began = System.nanoTime();
      T value = awaited.get();
      waited += System.nanoTime() - began;
      return value;
    }

    void run(List<Prepared> batch) throws IOException {
      fitting.run(
          batch,
          part -> {
            List<Object> values = values(part);
            for (int i = 0; i < part.size(); i++) {
              Prepared sample = part.get(i);
              Object value = values.get(i);
              waiting(() -> output.put(sample, value));
            }
            images += part.size();
          });
    }

    /** A value for each sample; null where it cannot be stored. */
    private List<Object> values(List<Prepared> part) {
      long began = System.nanoTime();
      int side = backbone.preprocessing().size();
      try (NDManager scope = manager.newSubManager()) {
        NDArray pixels =
            Torch.floats(
                scope,
                new Shape(part.size(), 3, side, side),
                b -> part.forEach(sample -> b.put(sample.pixels())));
        NDArray features = backbone.features(pixels);
        boolean[] storable = form.storable(features);
        List<Object> values = form.values(features);
        for (int i = 0; i < storable.length; i++) {
          values.set(i, storable[i] ? values.get(i) : null);
        }
        return values;
      } finally {
        nanos += System.nanoTime() - began;
      }
    }

    Tally tally(long decoding) {
      return new Tally(
          images, decoding, nanos, output.nanos.get(), waited, form.error(), form.norm());
    }
  }

  /**
   * The file of rows, and the file of rejects once there is one, written in a thread of its own.
   */
  private final class Output implements AutoCloseable {
    /** Samples that wait for the writer: the largest row has 6 MB. */
    private static final int WAITING = 16;

    private final String name;
    private final Form form;
    private final Grid grid;
    private final ParquetFile rows;
    private final BlockingQueue<Optional<Item>> queue = new ArrayBlockingQueue<>(WAITING);
    private final Thread thread = new Thread(this::write, "write");
    private ParquetFile rejected;
    private volatile Throwable failure;
    private final AtomicLong nanos = new AtomicLong();
    private boolean closed;

    /** A sample and what is stored of it; null for a reject. */
    private record Item(Prepared sample, Object value) {}

    Output(String name, Form form, Grid grid) throws IOException {
      this.name = name;
      this.form = form;
      this.grid = grid;
      this.rows =
          new ParquetFile(storage, Storage.join(target, name), form.schema(dataset.columns()));
      thread.setDaemon(true);
      thread.start();
    }

    /** Hands a sample over; waits where the writer is behind. */
    boolean put(Prepared sample, Object value) throws IOException {
      hand(Optional.of(new Item(sample, value)));
      return true;
    }

    private void hand(Optional<Item> item) throws IOException {
      try {
        while (!queue.offer(item, 100, java.util.concurrent.TimeUnit.MILLISECONDS)) {
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
          long began = System.nanoTime();
          write(item.get());
          nanos.addAndGet(System.nanoTime() - began);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } catch (IOException | RuntimeException | Error e) {
        failure = e;
      }
    }

    private void write(Item item) throws IOException {
      Prepared sample = item.sample();
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

    private void add(Prepared sample, Object value) throws IOException {
      Group row = rows.row();
      row.add(Columns.SAMPLE_ID, sample.row().<String>getAs(Columns.SAMPLE_ID));
      row.add(Columns.IMAGE_PATH, sample.row().<String>getAs(Listing.IMAGE));
      row.add(Columns.HEIGHT, sample.height());
      row.add(Columns.WIDTH, sample.width());
      row.add(Columns.CHANNELS, grid.channels());
      row.add(Columns.GRID_HEIGHT, grid.height());
      row.add(Columns.GRID_WIDTH, grid.width());
      row.add(Columns.DTYPE, form.dtype());
      form.put(row, value);
      if (form.masks()) {
        row.add(Columns.MASK, Binary.fromConstantByteArray(sample.mask()));
      }
      for (int i = 0; i < dataset.columns().size(); i++) {
        Column column = dataset.columns().get(i);
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
      if (settings.data().failOnBadSample()) {
        throw SqueezeException.input(
            "Bad sample "
                + id
                + " ("
                + stage
                + ", "
                + reason.code()
                + "): "
                + reason.getMessage()
                + "; data.on-bad-sample = skip would list it among the rejects");
      }
      if (rejected == null) {
        String path = Storage.join(rejects, rejectName(name));
        rejected = new ParquetFile(storage, path, Schemas.rejects());
      }
      Group group = rejected.row();
      group.add(Columns.SAMPLE_ID, id);
      group.add(Columns.SPLIT, plan.splits().get(row.getAs(Listing.SPLIT_INDEX)));
      group.add(Columns.IMAGE_PATH, row.<String>getAs(Listing.IMAGE));
      group.add(Schemas.STAGE, stage);
      group.add(Schemas.CODE, reason.code().name());
      group.add(Schemas.MESSAGE, reason.getMessage());
      rejected.write(group);
    }

    /** Waits for the writer and closes the files: rejects first, so that whole rows mean both. */
    boolean finish() throws IOException {
      hand(Optional.empty());
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("Interrupted while writing", e);
      }
      check();
      closeFiles();
      return true;
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

    Written written(Tally tally) {
      DataFile data = new DataFile(name, rows.bytes(), rows.rows(), rows.sha256());
      DataFile bad =
          rejected == null
              ? null
              : new DataFile(
                  rejectName(name), rejected.bytes(), rejected.rows(), rejected.sha256());
      return new Written(data, bad, tally);
    }

    @Override
    public void close() throws IOException {
      if (!closed) {
        thread.interrupt();
        try {
          thread.join();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
        closeFiles();
      }
    }
  }
}
