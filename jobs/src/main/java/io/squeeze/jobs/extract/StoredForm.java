package io.squeeze.jobs.extract;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.image.SquareCrop;
import io.squeeze.jobs.extract.FileResult.Change;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.model.Segmenter;
import io.squeeze.jobs.publish.Columns;
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

  /** Embeddings as they are. */
  static StoredForm embeddings(ElementType type) {
    return new Embeddings(type);
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

  /** What is stored of a sample whose features are finite: float32 or float16 [1, C, h, w]. */
  abstract Stored value(NDArray stored, PreparedSample sample);

  /**
   * A value for each sample, null where it cannot be stored: float32 [B, C, h, w]. Samples are
   * converted one at a time, because a batch of DeepLab's features takes so much memory that
   * touching it is slow.
   */
  List<Stored> values(NDArray features, List<PreparedSample> samples) {
    List<Stored> values = new ArrayList<>();
    for (int i = 0; i < samples.size(); i++) {
      try (NDManager scope = features.getManager().newSubManager()) {
        NDArray one = features.get(i + ":" + (i + 1));
        one.attach(scope);
        NDArray stored = half() ? one.toType(DataType.FLOAT16, false) : one;
        values.add(storable(one, stored) ? value(stored, samples.get(i)) : null);
      }
    }
    return values;
  }

  /** Whether every number is finite, as it is and as it is stored. */
  private boolean storable(NDArray one, NDArray stored) {
    if (!half()) {
      // The sum of the values times zero is 0 only if every value is finite.
      return one.mul(0f).sum().getFloat() == 0;
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
    Embeddings(ElementType type) {
      super(type);
    }

    @Override
    MessageType schema(List<Column> described) {
      return Columns.embeddings(described).message("embeddings");
    }

    @Override
    boolean masks() {
      return true;
    }

    @Override
    Stored value(NDArray stored, PreparedSample sample) {
      byte[] values = Torch.tensor(stored).bytes();
      return row -> row.add(Columns.EMBEDDING, Binary.fromConstantByteArray(values));
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
    Stored value(NDArray stored, PreparedSample sample) {
      NDArray features = stored.toType(DataType.FLOAT32, false);
      int[] values = loaded.model().quantize(features, loaded.parameters()).codeValues();
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
    Stored value(NDArray stored, PreparedSample sample) {
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
