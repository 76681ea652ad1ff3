package io.squeeze.jobs.extract;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.Backbone;
import io.squeeze.config.DataSettings;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.image.ImageDecoder;
import io.squeeze.image.Mask;
import io.squeeze.image.Preprocessing;
import io.squeeze.image.RgbImage;
import io.squeeze.jobs.spark.Backbones;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.Manifest.DataFile;
import io.squeeze.jobs.spark.ParquetFile;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.storage.Storage;
import io.squeeze.torch.Torch;
import java.io.IOException;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.io.api.Binary;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.util.LongAccumulator;
import scala.Tuple2;

/** Turns the listed samples of one file into its rows, and what cannot be used into rejects. */
record ExtractTask(
    SegmentationDataset dataset,
    HadoopStorage storage,
    String root,
    Settings settings,
    Backbones.Shipped shipped,
    FilePlan plan,
    String target,
    String rejects,
    LongAccumulator seen)
    implements FlatMapFunction<Iterator<Tuple2<Long, Row>>, ExtractTask.Written> {

  /** The files that a task wrote; {@code rejects} is null where there are none. */
  record Written(DataFile embeddings, DataFile rejects) implements Serializable {}

  /** A decoded sample that waits for its batch. */
  private record Prepared(Row row, RgbImage photo, Mask mask, int height, int width) {}

  @Override
  public Iterator<Written> call(Iterator<Tuple2<Long, Row>> rows) throws IOException {
    if (!rows.hasNext()) {
      return List.<Written>of().iterator();
    }
    Device device = Tasks.start();
    Backbone backbone = shipped.load(device);
    String path = plan.path(TaskContext.getPartitionId(), TaskContext.get().taskAttemptId());
    String rejectPath = path.replace("split=", "").replace('/', '-');
    try (NDManager manager = Torch.manager(device);
        Output output = new Output(path, rejectPath)) {
      List<Prepared> batch = new ArrayList<>();
      ImageDecoder decoder = new ImageDecoder(settings.image());
      while (rows.hasNext()) {
        Row row = rows.next()._2();
        try {
          batch.add(prepare(decoder, backbone.preprocessing(), row));
        } catch (StagedRejection e) {
          output.reject(row, e.stage, e.cause);
        }
        if (batch.size() == settings.extract().batchSize() || !rows.hasNext()) {
          embed(manager, backbone, batch, output);
          batch.clear();
        }
        seen.add(1);
      }
      return output.finish().iterator();
    }
  }

  /** A rejection with the stage that it happened at. */
  private static final class StagedRejection extends Exception {
    private static final long serialVersionUID = 1L;
    private final String stage;
    private final BadSampleException cause;

    StagedRejection(String stage, BadSampleException cause) {
      super(cause);
      this.stage = stage;
      this.cause = cause;
    }
  }

  private Prepared prepare(ImageDecoder decoder, Preprocessing preprocessing, Row row)
      throws StagedRejection {
    String stage = "list";
    try {
      if (row.<Boolean>getAs(Listing.DUPLICATE)) {
        throw new BadSampleException(Code.DUPLICATE, "the lists name this sample before");
      }
      stage = "image";
      String imagePath = Storage.join(root, row.getAs(Listing.IMAGE));
      RgbImage photo = decoder.decodeRgb(decoder.read(storage, imagePath));
      stage = "mask";
      String maskPath = Storage.join(root, row.getAs(Columns.MASK));
      Mask mask = decoder.decodeMask(decoder.read(storage, maskPath));
      if (mask.width() != photo.width() || mask.height() != photo.height()) {
        throw new BadSampleException(
            Code.SIZE_MISMATCH,
            "the image has "
                + photo.width()
                + "x"
                + photo.height()
                + " pixels, the mask "
                + mask.width()
                + "x"
                + mask.height());
      }
      Mask labels = preprocessing.crop(dataset.labelled(mask));
      return new Prepared(row, preprocessing.crop(photo), labels, photo.height(), photo.width());
    } catch (BadSampleException e) {
      throw new StagedRejection(stage, e);
    }
  }

  private void embed(NDManager manager, Backbone backbone, List<Prepared> batch, Output output)
      throws IOException {
    if (batch.isEmpty()) {
      return;
    }
    Preprocessing preprocessing = backbone.preprocessing();
    int side = preprocessing.size();
    try (NDManager scope = manager.newSubManager()) {
      NDArray images =
          Torch.floats(
              scope,
              new Shape(batch.size(), 3, side, side),
              b -> batch.forEach(p -> preprocessing.normalise(p.photo(), b)));
      byte[] features = Torch.tensor(backbone.features(images)).bytes();
      int each = backbone.grid().values() * Float.BYTES;
      for (int i = 0; i < batch.size(); i++) {
        byte[] own = Arrays.copyOfRange(features, i * each, (i + 1) * each);
        if (finite(own)) {
          output.add(batch.get(i), own, backbone);
        } else {
          output.reject(
              batch.get(i).row(),
              "features",
              new BadSampleException(Code.NOT_FINITE, "the backbone gives NaN or infinity"));
        }
      }
    }
  }

  private static boolean finite(byte[] features) {
    FloatBuffer values = ByteBuffer.wrap(features).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    while (values.hasRemaining()) {
      if (!Float.isFinite(values.get())) {
        return false;
      }
    }
    return true;
  }

  /** The file of rows, and the file of rejects once there is one. */
  private final class Output implements AutoCloseable {
    private final String path;
    private final String rejectPath;
    private final ParquetFile embeddings;
    private ParquetFile rejected;

    Output(String path, String rejectPath) throws IOException {
      this.path = path;
      this.rejectPath = rejectPath;
      this.embeddings =
          new ParquetFile(
              storage, Storage.join(target, path), Schemas.embeddings(dataset.columns()));
    }

    void add(Prepared sample, byte[] features, Backbone backbone) throws IOException {
      Group row = embeddings.row();
      row.add(Columns.SAMPLE_ID, sample.row().<String>getAs(Columns.SAMPLE_ID));
      row.add(Columns.IMAGE_PATH, sample.row().<String>getAs(Listing.IMAGE));
      row.add(Columns.HEIGHT, sample.height());
      row.add(Columns.WIDTH, sample.width());
      row.add(Columns.CHANNELS, backbone.grid().channels());
      row.add(Columns.GRID_HEIGHT, backbone.grid().height());
      row.add(Columns.GRID_WIDTH, backbone.grid().width());
      row.add(Columns.DTYPE, "float32");
      row.add(Columns.EMBEDDING, Binary.fromConstantByteArray(features));
      row.add(Columns.MASK, Binary.fromConstantByteArray(sample.mask().data()));
      for (int i = 0; i < dataset.columns().size(); i++) {
        Column column = dataset.columns().get(i);
        Object value = sample.row().get(Listing.DESCRIBED + i);
        if (value instanceof Integer number) {
          row.add(column.name(), number);
        } else if (value != null) {
          row.add(column.name(), value.toString());
        }
      }
      embeddings.write(row);
    }

    void reject(Row row, String stage, BadSampleException reason) throws IOException {
      String id = row.getAs(Columns.SAMPLE_ID);
      DataSettings data = settings.data();
      if (data.failOnBadSample()) {
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
        rejected = new ParquetFile(storage, Storage.join(rejects, rejectPath), Schemas.rejects());
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

    List<Written> finish() throws IOException {
      close();
      DataFile rows =
          new DataFile(path, embeddings.bytes(), embeddings.rows(), embeddings.sha256());
      DataFile bad =
          rejected == null
              ? null
              : new DataFile(rejectPath, rejected.bytes(), rejected.rows(), rejected.sha256());
      return List.of(new Written(rows, bad));
    }

    @Override
    public void close() throws IOException {
      embeddings.close();
      if (rejected != null) {
        rejected.close();
      }
    }
  }
}
