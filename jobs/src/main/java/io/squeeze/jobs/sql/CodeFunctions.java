package io.squeeze.jobs.sql;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.spark.LoadedModel;
import io.squeeze.jobs.sql.Calls.Vector;
import io.squeeze.jobs.sql.CodeModel.Tables;
import io.squeeze.quantize.Quantizer.Step;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import java.io.Serializable;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.TaskContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.catalyst.expressions.UnsafeArrayData;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.util.TaskCompletionListener;

/** What the SQL functions of codes compute. Public because generated code calls them. */
public final class CodeFunctions {
  /** Rows of a block: a vector's codes depend on its block's shape in the last bit. */
  private static final int BLOCK = 64;

  private static final Map<String, LoadedModel> LOADED = new ConcurrentHashMap<>();

  private CodeFunctions() {}

  /** A model that executors fetch once, and the queries that were asked of it last. */
  public static final class Model implements Serializable {
    private static final long serialVersionUID = 1L;
    private static final int REMEMBERED = 64;

    private final String name;
    private final Broadcast<CodeModel> sent;
    private transient Map<Integer, Asked> asked;
    private transient volatile Asked last;

    Model(String name, Broadcast<CodeModel> sent) {
      this.name = name;
      this.sent = sent;
    }

    private CodeModel get() {
      return sent.value();
    }

    private record Asked(float[] query, Tables[] tables) {}

    private Tables[] tables(float[] query) {
      Asked before = last;
      // A constant is the same array in every row.
      if (before == null || before.query() != query) {
        before = remembered(query);
        last = before;
      }
      return before.tables();
    }

    private synchronized Asked remembered(float[] query) {
      if (asked == null) {
        asked =
            new LinkedHashMap<>() {
              private static final long serialVersionUID = 1L;

              @Override
              protected boolean removeEldestEntry(Map.Entry<Integer, Asked> eldest) {
                return size() > REMEMBERED;
              }
            };
      }
      int key = Arrays.hashCode(query);
      Asked known = asked.get(key);
      if (known == null || !Arrays.equals(known.query(), query)) {
        known = new Asked(query, get().tables(query));
        asked.put(key, known);
      }
      return known;
    }

    @Override
    public String toString() {
      return name;
    }
  }

  /** A checkpoint that executors fetch once. */
  public static final class EncodingModel implements Serializable {
    private static final long serialVersionUID = 1L;

    private final String path;
    private final String sha256;
    private final Broadcast<Checkpoint> sent;

    EncodingModel(String path, String sha256, Broadcast<Checkpoint> sent) {
      this.path = path;
      this.sha256 = sha256;
      this.sent = sent;
    }

    @Override
    public String toString() {
      return path;
    }
  }

  /** Vectors of codes, one after the other. */
  public static ArrayData decode(ArrayData codes, Model model) {
    return VectorFunctions.hasNull(codes)
        ? null
        : UnsafeArrayData.fromPrimitiveArray(model.get().decode(codes.toIntArray()));
  }

  /** Codes of a binary column, for a grid of vectors. */
  public static ArrayData unpack(byte[] packed, int levels, int height, int width, Model model) {
    return UnsafeArrayData.fromPrimitiveArray(model.get().unpack(packed, levels * height * width));
  }

  /** See {@link CodeModel#distance}. */
  public static Double distance(ArrayData codes, ArrayData query, Model model) {
    return VectorFunctions.hasNull(query) ? null : distance(codes, query.toFloatArray(), model);
  }

  /** The same for a query that is constant. */
  public static Double distance(ArrayData codes, Vector query, Model model) {
    return distance(codes, query.values(), model);
  }

  private static Double distance(ArrayData codes, float[] query, Model model) {
    return codes.numElements() == 0 || VectorFunctions.hasNull(codes)
        ? null
        : model.get().distance(codes.toIntArray(), model.tables(query));
  }

  /** The codes of vectors, [m * C]: [m * levels]. */
  public static ArrayData encode(ArrayData vectors, EncodingModel model) {
    if (VectorFunctions.hasNull(vectors)) {
      return null;
    }
    TaskContext context = TaskContext.get();
    if (context == null) {
      try (LoadedModel loaded = LoadedModel.of(model.sent.value())) {
        return encode(vectors.toFloatArray(), loaded, model);
      }
    }
    String key = context.taskAttemptId() + " " + model.sha256;
    LoadedModel loaded = LOADED.get(key);
    if (loaded == null) {
      LoadedModel opened = LoadedModel.of(model.sent.value());
      LOADED.put(key, opened);
      context.addTaskCompletionListener(
          (TaskCompletionListener)
              ended -> {
                LOADED.remove(key);
                opened.close();
              });
      loaded = opened;
    }
    return encode(vectors.toFloatArray(), loaded, model);
  }

  private static ArrayData encode(float[] values, LoadedModel loaded, EncodingModel model) {
    int channels = loaded.layout().channels();
    if (values.length == 0 || values.length % channels != 0) {
      throw SqueezeException.input(
          model + " encodes vectors of " + channels + " values, not an array of " + values.length);
    }
    int count = values.length / channels;
    int rows = (count + BLOCK - 1) / BLOCK * BLOCK;
    try (NDManager scope = loaded.manager().newSubManager()) {
      NDArray block =
          Torch.floats(
              scope, new Shape(rows, channels), b -> b.put(values).put(new float[b.remaining()]));
      int[] codes =
          loaded
              .model()
              .quantizer()
              .quantize(block, loaded.parameters(), Step.EVALUATION)
              .codeValues();
      int depth = codes.length / rows;
      return UnsafeArrayData.fromPrimitiveArray(Arrays.copyOf(codes, count * depth));
    }
  }
}
