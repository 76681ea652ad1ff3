package io.squeeze.jobs.extract;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.quantize.Quantized;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.List;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;

/** What features become in the table: rows of embeddings, or of codes. */
abstract sealed class Form implements AutoCloseable {
  private final ElementType type;
  private double error;
  private double norm;

  private Form(ElementType type) {
    this.type = type;
  }

  /** Embeddings as they are, or the codes that a checkpoint's quantizer gives them. */
  static Form of(ElementType type, Checkpoint checkpoint, NDManager manager) {
    return checkpoint == null ? new Embeddings(type) : new Codes(type, checkpoint, manager);
  }

  abstract MessageType schema(List<Column> described);

  /** Whether a row has a mask. */
  abstract boolean masks();

  /** One value for each sample: float32 [B, C, h, w]. */
  abstract List<Object> values(NDArray features);

  /** Puts a sample's value, its channels and grid into its row. */
  abstract void put(Group row, Object value);

  /** Sum of squares that rounding took away, and of the features. */
  double error() {
    return error;
  }

  double norm() {
    return norm;
  }

  /** Whether features are stored as float16. */
  boolean half() {
    return type == ElementType.F16;
  }

  String dtype() {
    return half() ? "float16" : "float32";
  }

  /** The features as they are stored. */
  NDArray rounded(NDArray features) {
    if (!half()) {
      return features;
    }
    NDArray half = features.toType(DataType.FLOAT16, false);
    NDArray lost = half.toType(DataType.FLOAT32, false).sub(features);
    double lostSquares = lost.square().sum().getFloat();
    if (Double.isFinite(lostSquares)) {
      error += lostSquares;
      norm += features.square().sum().getFloat();
    }
    return half;
  }

  @Override
  public void close() {}

  private static final class Embeddings extends Form {
    Embeddings(ElementType type) {
      super(type);
    }

    @Override
    MessageType schema(List<Column> described) {
      return Schemas.embeddings(described);
    }

    @Override
    boolean masks() {
      return true;
    }

    @Override
    List<Object> values(NDArray features) {
      byte[] all = Torch.tensor(rounded(features)).bytes();
      int samples = (int) features.getShape().get(0);
      int each = all.length / samples;
      List<Object> values = new ArrayList<>();
      for (int i = 0; i < samples; i++) {
        byte[] own = java.util.Arrays.copyOfRange(all, i * each, (i + 1) * each);
        values.add(own);
      }
      return values;
    }

    @Override
    void put(Group row, Object value) {
      row.add(Columns.EMBEDDING, Binary.fromConstantByteArray((byte[]) value));
    }
  }

  /** Quantizes one sample at a time, so that its codes do not depend on its neighbours. */
  private static final class Codes extends Form {
    private final SqueezeModel model;
    private final Parameters parameters;

    Codes(ElementType type, Checkpoint checkpoint, NDManager manager) {
      super(type);
      this.model = checkpoint.model();
      this.parameters = new Parameters(manager, checkpoint.state().model());
    }

    @Override
    MessageType schema(List<Column> described) {
      return Schemas.codes(described);
    }

    @Override
    boolean masks() {
      return false;
    }

    @Override
    List<Object> values(NDArray features) {
      NDArray stored = rounded(features).toType(DataType.FLOAT32, false);
      List<Object> values = new ArrayList<>();
      for (long i = 0; i < features.getShape().get(0); i++) {
        NDArray one = stored.get(i + ":" + (i + 1));
        Quantized quantized = model.quantizer().quantize(one, parameters, false);
        values.add(quantized.codeValues());
      }
      return values;
    }

    @Override
    void put(Group row, Object value) {
      row.add(Columns.LEVELS, model.quantizer().levels().length);
      Group codes = row.addGroup(Columns.CODES);
      for (int code : (int[]) value) {
        codes.addGroup("list").add("element", code);
      }
    }

    @Override
    public void close() {
      parameters.close();
    }
  }

  /** Which samples can be stored: all their numbers are finite, also behind rounding. */
  boolean[] storable(NDArray features) {
    NDArray stored =
        half()
            ? features.toType(DataType.FLOAT16, false).toType(DataType.FLOAT32, false)
            : features;
    // A sum of numbers times zero is a number only where every one was.
    HostTensor sums = Torch.tensor(stored.mul(0f).sum(new int[] {1, 2, 3}));
    float[] values = sums.floats();
    boolean[] storable = new boolean[values.length];
    for (int i = 0; i < storable.length; i++) {
      storable[i] = values[i] == 0;
    }
    return storable;
  }
}
