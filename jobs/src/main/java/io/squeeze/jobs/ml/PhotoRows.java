package io.squeeze.jobs.ml;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.Backbone;
import io.squeeze.backbone.Backbone.Outputs;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.image.ImageDecoder;
import io.squeeze.jobs.model.Backbones;
import io.squeeze.jobs.model.MappedRows;
import io.squeeze.jobs.photo.Decoding;
import io.squeeze.jobs.photo.Fitting;
import io.squeeze.jobs.photo.PreparedSample;
import io.squeeze.jobs.photo.Reading;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.torch.FloatBatch;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import io.squeeze.weights.ElementType;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.Row;
import org.apache.spark.util.TaskCompletionListener;

/**
 * The rows of a partition with what the backbone makes of their photos. Photos go through the
 * backbone in batches, whatever rows they come from; the backbone is loaded once per JVM and
 * device.
 */
final class PhotoRows implements Iterator<Row> {
  private final Work work;
  private final Iterator<Row> rows;
  private final Deque<Row> ready = new ArrayDeque<>();
  private Opened opened;

  /** Makes the cells that a photo adds to its row. */
  interface Cells {
    /**
     * The cells of a photo.
     *
     * @param grid float32 or float16 [1, C, h, w]
     * @param token float32 [1, C]; null where the backbone gives none
     */
    Object[] of(NDArray grid, NDArray token, PreparedSample photo);
  }

  /** Opens it in a task. */
  interface Opening extends Serializable {
    Cells open(Backbone backbone);
  }

  /**
   * What is done with rows.
   *
   * @param names of the columns of a row
   * @param count cells that are added to it
   * @param bad what a photo does that cannot be used
   */
  record Work(
      PhotoColumn column,
      List<String> names,
      Settings settings,
      Backbones.Shipped shipped,
      ElementType type,
      HadoopStorage storage,
      OnError bad,
      int count,
      Opening opening)
      implements Serializable {}

  /** What a photo does that cannot be used. */
  enum OnError {
    /** Ends the job. */
    FAIL,
    /** Leaves the cells null. */
    NULL,
    /** The same, and says why in a column of its own. */
    COLUMN
  }

  PhotoRows(Work work, Iterator<Row> rows) {
    this.work = work;
    this.rows = rows;
  }

  /** What a task holds until it ends. */
  private record Opened(
      NDManager manager,
      Backbone backbone,
      FloatBatch pixels,
      Fitting fitting,
      int batchSize,
      Decoding decoding,
      Cells cells) {

    void close() {
      decoding.close();
      manager.close();
    }
  }

  private Opened open() {
    Settings settings = work.settings();
    Device device = Tasks.startBackbone();
    Backbone backbone = work.shipped().load(device);
    NDManager manager = Torch.manager(device);
    int batchSize = Math.min(backbone.mostImages(), settings.extract().batchSize(device.isGpu()));
    int threads = settings.extract().decodeThreads(device.isGpu());
    int readers = settings.extract().readThreads(work.column().inMemory());
    ImageDecoder decoder = new ImageDecoder(settings.image());
    Reading reading = new Reading(rows, work.column().source(decoder, work.storage()), readers);
    Decoding decoding =
        new Decoding(
            reading,
            new Decoding.Preparation(null, decoder, backbone.preprocessing()),
            threads,
            2 * batchSize + threads);
    int side = backbone.preprocessing().size();
    FloatBatch pixels = new FloatBatch(manager, batchSize, new Shape(3, side, side));
    Opened open =
        new Opened(
            manager,
            backbone,
            pixels,
            new Fitting(batchSize),
            batchSize,
            decoding,
            work.opening().open(backbone));
    TaskContext.get().addTaskCompletionListener((TaskCompletionListener) ended -> open.close());
    return open;
  }

  @Override
  public boolean hasNext() {
    if (ready.isEmpty() && (opened != null || rows.hasNext())) {
      opened = opened == null ? open() : opened;
      fill();
    }
    return !ready.isEmpty();
  }

  @Override
  public Row next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    return ready.remove();
  }

  private void fill() {
    List<PreparedSample> photos = new ArrayList<>();
    while (photos.size() < opened.batchSize() && opened.decoding().hasNext()) {
      photos.add(opened.decoding().next());
    }
    List<PreparedSample> good = photos.stream().filter(photo -> photo.reason() == null).toList();
    List<Object[]> made = new ArrayList<>();
    Tasks.startBackbone();
    try {
      opened.fitting().run(good, part -> forward(part, made));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } finally {
      // Stages behind this one may compute in the same thread, in pieces.
      Tasks.start();
    }
    Iterator<Object[]> cells = made.iterator();
    for (PreparedSample photo : photos) {
      if (photo.reason() != null) {
        ready.add(refused(photo.row(), photo.reason()));
        continue;
      }
      opened.decoding().recycle(photo.pixels());
      Object[] own = cells.next();
      ready.add(own == null ? refused(photo.row(), notFinite()) : with(photo.row(), own, null));
    }
  }

  private static BadSampleException notFinite() {
    return new BadSampleException(Code.NOT_FINITE, "the backbone gives NaN or infinity");
  }

  /** The cells of each photo; null where its features are not finite. */
  private void forward(List<PreparedSample> part, List<Object[]> made) {
    int before = made.size();
    try (NDManager scope = opened.manager().newSubManager()) {
      NDArray photos =
          opened
              .pixels()
              .fill(scope, part.size(), b -> part.forEach(photo -> b.put(photo.pixels())));
      Outputs outputs = opened.backbone().outputs(photos);
      for (int i = 0; i < part.size(); i++) {
        try (NDManager own = scope.newSubManager()) {
          Outputs one = outputs.of(i, own);
          NDArray stored =
              work.type() == ElementType.F16
                  ? one.grid().toType(DataType.FLOAT16, false)
                  : one.grid();
          boolean finite =
              NativeKernels.finite(
                  one.token() == null ? List.of(stored) : List.of(stored, one.token()));
          made.add(finite ? opened.cells().of(stored, one.token(), part.get(i)) : null);
        }
      }
    } catch (RuntimeException e) {
      // A part that does not fit is run again in halves.
      made.subList(before, made.size()).clear();
      throw e;
    }
  }

  private Row refused(Row row, BadSampleException reason) {
    String why = reason.code() + ": " + reason.getMessage();
    if (work.bad() == OnError.FAIL) {
      throw SqueezeException.input(
          "A photo cannot be used (%s): onError = null or column leaves it out; its row is %s"
              .formatted(why, named(row)));
    }
    return with(row, new Object[work.count()], why);
  }

  /** The row for a message, without what is long. */
  private String named(Row row) {
    List<String> cells = new ArrayList<>();
    for (int i = 0; i < row.size(); i++) {
      Object cell = row.get(i);
      if (cell instanceof String || cell instanceof Number) {
        cells.add(work.names().get(i) + " = " + cell);
      }
    }
    return cells.toString();
  }

  private Row with(Row row, Object[] cells, String error) {
    Row with = MappedRows.with(row, cells);
    return work.bad() == OnError.COLUMN ? MappedRows.with(with, error) : with;
  }
}
