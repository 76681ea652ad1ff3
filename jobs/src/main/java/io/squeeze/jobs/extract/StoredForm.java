package io.squeeze.jobs.extract;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.squeeze.backbone.Backbone.Outputs;
import io.squeeze.config.ExtractSettings.Pool;
import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.image.SquareCrop;
import io.squeeze.jobs.extract.FileResult.Change;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.model.Segmenter;
import io.squeeze.jobs.photo.Pooling;
import io.squeeze.jobs.photo.PreparedSample;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.quantize.Quantized;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import io.squeeze.weights.ElementType;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;

/** What features become in the table: rows of embeddings, of codes, or of masks. */
abstract sealed class StoredForm implements AutoCloseable {
  private final ElementType type;
  private Change rounding = Change.NONE;

  private StoredForm(ElementType type) {
    this.type = type;
  }

  /** Opens the form in a task. */
  interface Opening extends Serializable {
    StoredForm open();
  }

  /** Embeddings as they are, with a pooled vector where that is asked for. */
  static StoredForm embeddings(ElementType type, Pool pool, boolean pooledOnly) {
    return new Embeddings(type, pool, pooledOnly);
  }

  /** The codes that a checkpoint's quantizer gives them. */
  static StoredForm codes(ElementType type, Checkpoint checkpoint) {
    return new Codes(type, checkpoint);
  }

  /**
   * The masks that a checkpoint's head gives them.
   *
   * @param crop null: masks have the size of the crop
   */
  static StoredForm masks(ElementType type, Checkpoint checkpoint, SquareCrop crop) {
    return new Masks(type, Segmenter.inTask(checkpoint, crop));
  }

  abstract MessageType schema(List<Column> described);

  /** What is stored of a sample: it puts itself into the sample's row. */
  interface Stored {
    void put(Group row);
  }

  /** Whether a row has the mask of the data set. */
  abstract boolean masks();

  /** Whether a row says which shape and type its features have. */
  boolean shapes() {
    return true;
  }

  /**
   * What is stored of a sample whose features are finite.
   *
   * @param stored float32 or float16 [1, C, h, w]
   * @param token float32 [1, C]; null where the backbone gives none
   */
  abstract Stored value(NDArray stored, NDArray token, PreparedSample sample);

  /**
   * A value for each sample, null where it cannot be stored. Samples are converted one at a time,
   * because a batch of DeepLab's features takes so much memory that touching it is slow.
   */
  List<Stored> values(Outputs features, List<PreparedSample> samples) {
    List<Stored> values = new ArrayList<>();
    for (int i = 0; i < samples.size(); i++) {
      try (NDManager scope = features.grid().getManager().newSubManager()) {
        Outputs photo = features.of(i, scope);
        NDArray one = photo.grid();
        NDArray token = photo.token();
        NDArray stored = half() ? one.toType(DataType.FLOAT16, false) : one;
        boolean good = storable(one, stored) && (token == null || finite(token));
        values.add(good ? value(stored, token, samples.get(i)) : null);
      }
    }
    return values;
  }

  /** The sum of the values times zero is 0 only if every value is finite. */
  private static boolean finite(NDArray values) {
    return values.mul(0f).sum().getFloat() == 0;
  }

  /** Whether every number is finite, as it is and as it is stored. */
  private boolean storable(NDArray one, NDArray stored) {
    if (!half()) {
      return finite(one);
    }
    float[] squares = Torch.tensor(NativeKernels.squares(one, stored)).floats();
    if (!Float.isFinite(squares[0]) || !Float.isFinite(squares[1])) {
      return false;
    }
    rounding = rounding.plus(new Change(1, squares[0], squares[1]));
    return true;
  }

  /** What rounding to float16 took away. */
  Change rounding() {
    return rounding;
  }

  /** Whether features are stored as float16. */
  boolean half() {
    return type == ElementType.F16;
  }

  String dtype() {
    return half() ? "float16" : "float32";
  }

  @Override
  public void close() {}

  private static final class Embeddings extends StoredForm {
    private final Pool pool;
    private final boolean pooledOnly;

    Embeddings(ElementType type, Pool pool, boolean pooledOnly) {
      super(type);
      this.pool = pool;
      this.pooledOnly = pooledOnly;
    }

    @Override
    MessageType schema(List<Column> described) {
      return Columns.embeddings(described, !pooledOnly, pool != Pool.NONE).message("embeddings");
    }

    @Override
    boolean masks() {
      return !pooledOnly;
    }

    @Override
    Stored value(NDArray stored, NDArray token, PreparedSample sample) {
      byte[] values = pooledOnly ? null : Torch.tensor(stored).bytes();
      float[] pooled = Pooling.vector(pool, stored, token);
      return row -> {
        if (values != null) {
          row.add(Columns.EMBEDDING, Binary.fromConstantByteArray(values));
        }
        if (pooled != null) {
          Group list = row.addGroup(Columns.POOLED);
          for (float value : pooled) {
            list.addGroup("list").add("element", value);
          }
        }
      };
    }
  }

  /** Quantizes one sample at a time, so that its codes do not depend on its neighbours. */
  private static final class Codes extends StoredForm {
    private final LoadedModel loaded;

    Codes(ElementType type, Checkpoint checkpoint) {
      super(type);
      this.loaded = LoadedModel.of(checkpoint);
    }

    @Override
    MessageType schema(List<Column> described) {
      return Columns.codes(described).message("codes");
    }

    @Override
    boolean masks() {
      return false;
    }

    @Override
    Stored value(NDArray stored, NDArray token, PreparedSample sample) {
      NDArray features = stored.toType(DataType.FLOAT32, false);
      int[] values = Quantized.values(loaded.model().codes(features, loaded.parameters()));
      int depth = loaded.quantizer().codebookSizes().length;
      return row -> {
        row.add(Columns.LEVELS, depth);
        Group codes = row.addGroup(Columns.CODES);
        for (int code : values) {
          codes.addGroup("list").add("element", code);
        }
      };
    }

    @Override
    public void close() {
      loaded.close();
    }
  }

  /** Segments one sample at a time; its features are those that would have been stored. */
  private static final class Masks extends StoredForm {
    private final Segmenter segmenter;

    Masks(ElementType type, Segmenter segmenter) {
      super(type);
      this.segmenter = segmenter;
    }

    @Override
    MessageType schema(List<Column> described) {
      return Columns.predictions(described, segmenter.classes()).message("predictions");
    }

    @Override
    boolean masks() {
      return false;
    }

    @Override
    boolean shapes() {
      return false;
    }

    @Override
    Stored value(NDArray stored, NDArray token, PreparedSample sample) {
      NDArray features = stored.toType(DataType.FLOAT32, false);
      Map<String, Object> cells =
          segmenter.cells(segmenter.ofFeatures(features, sample.height(), sample.width()));
      return row ->
          cells.forEach(
              (column, value) -> {
                if (value instanceof byte[] bytes) {
                  row.add(column, Binary.fromConstantByteArray(bytes));
                } else if (value instanceof Integer number) {
                  row.add(column, number);
                } else {
                  row.add(column, (double) value);
                }
              });
    }
  }
}
