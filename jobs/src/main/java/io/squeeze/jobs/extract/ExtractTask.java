package io.squeeze.jobs.extract;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.squeeze.backbone.Backbone;
import io.squeeze.config.Settings;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.image.ImageDecoder;
import io.squeeze.jobs.extract.FileResult.Tally;
import io.squeeze.jobs.model.Backbones;
import io.squeeze.jobs.photo.Decoding;
import io.squeeze.jobs.photo.PreparedSample;
import io.squeeze.jobs.photo.Reading;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.ParquetFile;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import io.squeeze.torch.Torch;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.util.LongAccumulator;
import scala.Tuple2;

/**
 * Turns the listed samples of one file into its rows, and what cannot be used into rejects. On a
 * GPU, decoding runs ahead in threads of its own and writing behind in another.
 *
 * @param run the part of file names that distinguishes this run from earlier ones
 * @param left files of earlier runs by their stem; they may be complete
 * @param opening of what features become
 */
record ExtractTask(
    SegmentationDataset dataset,
    HadoopStorage storage,
    String root,
    Settings settings,
    Backbones.Shipped shipped,
    FilePlan plan,
    String target,
    String rejects,
    String run,
    Earlier left,
    StoredForm.Opening opening,
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
    Device device = Tasks.startBackbone();
    Backbone backbone = shipped.load(device);
    int batchSize = settings.extract().batchSize(device.isGpu());
    ImageDecoder decoder = new ImageDecoder(settings.image());
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
        StoredForm form = opening.open();
        Reading reading =
            new Reading(listed, new ListedFiles(decoder, storage, root, form.masks()), readers);
        Decoding decoding = new Decoding(reading, preparation, threads, 2 * batchSize + threads);
        Output output = new Output(this, name, form, backbone.grid(), threads > 0)) {
      ForwardPass forward =
          new ForwardPass(manager, backbone, form, output, batchSize, threads > 0);
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
}
