package io.squeeze.jobs.extract;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.Backbone;
import io.squeeze.config.Settings;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.image.ImageDecoder;
import io.squeeze.image.jpeg.TurboJpeg;
import io.squeeze.jobs.extract.FileResult.Change;
import io.squeeze.jobs.extract.FileResult.Tally;
import io.squeeze.jobs.model.Backbones;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.ParquetFile;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import io.squeeze.torch.FloatBatch;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import io.squeeze.weights.ElementType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.util.LongAccumulator;
import scala.Tuple2;

/**
 * Turns the listed samples of one file into its rows, and what cannot be used into rejects. On a
 * GPU, decoding runs ahead in threads of its own and writing behind in another.
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
    Earlier left,
    Broadcast<Checkpoint> checkpoint,
    LongAccumulator seen)
    implements FlatMapFunction<Iterator<Tuple2<Long, Row>>, FileResult> {

  @Override
  public Iterator<FileResult> call(Iterator<Tuple2<Long, Row>> rows) throws IOException {
    if (!rows.hasNext()) {
      return List.<FileResult>of().iterator();
    }
    int file = TaskContext.getPartitionId();
    String stem = plan.stem(file);
    Optional<FileResult> whole = found(stem, plan.rowsOf(file));
    if (whole.isPresent()) {
      seen.add(plan.rowsOf(file));
      return List.of(whole.get()).iterator();
    }
    String name = stem + "-" + run + "-" + TaskContext.get().taskAttemptId() + ".parquet";
    Device device = Tasks.start();
    Backbone backbone = shipped.load(device);
    int batchSize = settings.extract().batchSize(device.isGpu());
    ImageDecoder decoder = new ImageDecoder(settings.image());
    Reading.Source source = new Reading.Source(decoder, storage, root, checkpoint == null);
    Decoding.Preparation preparation =
        new Decoding.Preparation(dataset, decoder, backbone.preprocessing());
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
    int readers = settings.extract().readThreads(storage.local(root).isPresent());
    int threads = settings.extract().decodeThreads(device.isGpu());
    try (NDManager manager = Torch.manager(device);
        StoredForm form = StoredForm.of(type, checkpoint == null ? null : checkpoint.value());
        Reading reading = new Reading(listed, source, readers);
        Decoding decoding = new Decoding(reading, preparation, threads, 2 * batchSize + threads);
        Output output = new Output(this, name, form, backbone.grid(), threads > 0)) {
      Forward forward = new Forward(manager, backbone, form, output, batchSize, threads > 0);
      List<PreparedSample> batch = new ArrayList<>();
      while (forward.waiting(decoding::hasNext)) {
        PreparedSample sample = forward.waiting(decoding::next);
        if (sample.stage() != null) {
          output.put(sample, null);
        } else {
          batch.add(sample);
        }
        if (batch.size() == batchSize) {
          forward.run(batch);
          batch.forEach(done -> decoding.recycle(done.pixels()));
          batch.clear();
        }
        seen.add(1);
      }
      forward.run(batch);
      forward.waiting(output::finish);
      return List.of(output.written(forward.tally(reading.nanos(), decoding.nanos(), threads)))
          .iterator();
    }
  }

  /** The file as an earlier run left it, if every row and reject of it is there. */
  private Optional<FileResult> found(String stem, long expected) throws IOException {
    for (String name : left.of(stem)) {
      Optional<FileResult> whole = whole(name, expected);
      if (whole.isPresent()) {
        return whole;
      }
    }
    return Optional.empty();
  }

  private Optional<FileResult> whole(String name, long expected) throws IOException {
    Optional<DataFile> rows = ParquetFile.find(storage, Storage.join(target, name), name);
    if (rows.isEmpty()) {
      return Optional.empty();
    }
    DataFile bad = null;
    String rejectName = Output.rejectName(name);
    String rejectPath = Storage.join(rejects, rejectName);
    if (rows.get().rows() < expected && storage.exists(rejectPath)) {
      bad = ParquetFile.find(storage, rejectPath, rejectName).orElse(null);
    }
    if (bad != null && settings.data().failOnBadSample()) {
      return Optional.empty();
    }
    return rows.get().rows() + (bad == null ? 0 : bad.rows()) == expected
        ? Optional.of(new FileResult(rows.get(), bad, Tally.NOTHING))
        : Optional.empty();
  }

  /** The forward passes of a task, with what they waited for. */
  private static final class Forward {
    private final NDManager manager;
    private final Backbone backbone;
    private final StoredForm form;
    private final Output output;
    private final Fitting fitting;
    private final boolean beside;
    private final FloatBatch pixels;
    private long images;
    private long nanos;
    private long waited;
    private Change scaling = Change.NONE;
    private long warned;
    private String warning;

    Forward(
        NDManager manager,
        Backbone backbone,
        StoredForm form,
        Output output,
        int batchSize,
        boolean beside) {
      this.manager = manager;
      this.backbone = backbone;
      this.form = form;
      this.output = output;
      this.fitting = new Fitting(batchSize);
      this.beside = beside;
      int side = backbone.preprocessing().size();
      this.pixels = new FloatBatch(manager, batchSize, new Shape(3, side, side));
    }

    /** Something that another thread must be waited for. */
    private interface Awaited<T> {
      T get() throws IOException;
    }

    <T> T waiting(Awaited<T> awaited) throws IOException {
      long began = System.nanoTime();
      T value = awaited.get();
      // Without threads beside it, the task does this itself: that is no waiting.
      waited += beside ? System.nanoTime() - began : 0;
      return value;
    }

    void run(List<PreparedSample> batch) throws IOException {
      fitting.run(
          batch,
          part -> {
            List<Object> values = values(part);
            for (int i = 0; i < part.size(); i++) {
              PreparedSample sample = part.get(i);
              notice(sample);
              Object value = values.get(i);
              waiting(() -> output.put(sample, value));
            }
            images += part.size();
          });
    }

    /** A value for each sample; null where it cannot be stored. */
    private List<Object> values(List<PreparedSample> part) {
      long began = System.nanoTime();
      try (NDManager scope = manager.newSubManager()) {
        NDArray photos =
            pixels.fill(scope, part.size(), b -> part.forEach(sample -> b.put(sample.pixels())));
        NDArray features = backbone.features(photos);
        for (int i = 0; i < part.size(); i++) {
          if (part.get(i).unscaled() != null) {
            compare(features.get(i + ":" + (i + 1)), part.get(i).unscaled(), scope);
          }
        }
        return form.values(features);
      } finally {
        nanos += System.nanoTime() - began;
      }
    }

    /** What scaling while decoding changed of a photo's features [1, C, h, w]. */
    private void compare(NDArray scaled, float[] unscaled, NDManager scope) {
      int side = backbone.preprocessing().size();
      NDArray photo = Torch.floats(scope, new Shape(1, 3, side, side), b -> b.put(unscaled));
      NDArray full = backbone.features(photo);
      float[] squares = Torch.tensor(NativeKernels.squares(full, scaled)).floats();
      scaling = scaling.plus(new Change(1, squares[0], squares[1]));
    }

    private void notice(PreparedSample sample) {
      if (sample.warning() != null) {
        warned++;
        String id = sample.row().getAs(Columns.SAMPLE_ID);
        warning = warning == null ? id + ": " + sample.warning() : warning;
      }
    }

    Tally tally(long reading, long decoding, int threads) {
      return new Tally(
          images,
          reading,
          decoding,
          nanos,
          output.nanos(),
          waited,
          threads,
          TurboJpeg.found() ? images : 0,
          form.rounding(),
          scaling,
          warned,
          warning);
    }
  }
}
