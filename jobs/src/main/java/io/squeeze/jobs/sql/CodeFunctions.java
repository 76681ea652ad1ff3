package io.squeeze.jobs.sql;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.sql.Calls.Vector;
import io.squeeze.jobs.sql.CodeModel.Tables;
import io.squeeze.quantize.Quantizer.Mode;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import java.io.Serializable;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
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

    /** Bytes of tables that are kept for queries to come. */
    private static final long REMEMBERED = 64L << 20;

    private final String name;
    private final String sha256;
    private final Broadcast<CodeModel> codes;
    private final Broadcast<Checkpoint> checkpoint;
    private transient Map<Integer, Asked> asked;
    private transient volatile Asked last;

    /**
     * A model.
     *
     * @param sha256 of the checkpoint
     */
    Model(
        String name, String sha256, Broadcast<CodeModel> codes, Broadcast<Checkpoint> checkpoint) {
      this.name = name;
      this.sha256 = sha256;
      this.codes = codes;
      this.checkpoint = checkpoint;
    }

    private CodeModel get() {
      return codes.value();
    }

    private record Asked(Object query, Tables[] tables) {}

    /** The tables of a query: a float[] of vectors, or an int[] of codes. */
    private Tables[] tables(Object query) {
      Asked before = last;
      // A constant is the same array in every row.
      if (before == null || before.query() != query) {
        before = remembered(query);
        last = before;
      }
      return before.tables();
    }

    private synchronized Asked remembered(Object query) {
      if (asked == null) {
        asked =
            new LinkedHashMap<>(16, 0.75f, true) {
              private static final long serialVersionUID = 1L;

              @Override
              protected boolean removeEldestEntry(Map.Entry<Integer, Asked> eldest) {
                Tables[] tables = eldest.getValue().tables();
                return size() > 1
                    && codes.value().tableBytes() * tables.length * size() > REMEMBERED;
              }
            };
      }
      int key = Arrays.deepHashCode(new Object[] {query});
      Asked known = asked.get(key);
      if (known == null || !Objects.deepEquals(known.query(), query)) {
        float[] located =
            query instanceof int[] others ? get().decode(others) : locate((float[]) query, this);
        known = new Asked(query, get().tables(located));
        asked.put(key, known);
      }
      return known;
    }

    @Override
    public String toString() {
      return name;
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

  /** See {@link CodeModel#distance}; of a query that is vectors. */
  public static Double distance(ArrayData codes, ArrayData query, Model model) {
    return VectorFunctions.hasNull(query)
        ? null
        : distance(codes, (Object) query.toFloatArray(), model);
  }

  /** The same for a query that is constant. */
  public static Double distance(ArrayData codes, Vector query, Model model) {
    return distance(codes, (Object) query.values(), model);
  }

  /** The same for a query that is codes. */
  public static Double codeDistance(ArrayData codes, ArrayData query, Model model) {
    return VectorFunctions.hasNull(query) || query.numElements() == 0
        ? null
        : distance(codes, (Object) query.toIntArray(), model);
  }

  private static Double distance(ArrayData codes, Object query, Model model) {
    return codes.numElements() == 0 || VectorFunctions.hasNull(codes)
        ? null
        : model.get().distance(codes.toIntArray(), model.tables(query));
  }

  /** The codes of vectors, [m * C]: [m * levels]. */
  public static ArrayData encode(ArrayData vectors, Model model) {
    if (VectorFunctions.hasNull(vectors)) {
      return null;
    }
    float[] values = vectors.toFloatArray();
    return with(
        model,
        loaded -> {
          try (NDManager scope = loaded.manager().newSubManager()) {
            NDArray block = block(scope, values, loaded, model);
            int[] codes =
                loaded
                    .quantizer()
                    .quantize(block, loaded.parameters(), Mode.EVALUATION)
                    .codeValues();
            int count = values.length / loaded.layout().channels();
            int depth = codes.length / (int) block.getShape().get(0);
            return UnsafeArrayData.fromPrimitiveArray(Arrays.copyOf(codes, count * depth));
          }
        });
  }

  /** Vectors [m * C] where the quantizer searches, [m * d]. */
  private static float[] locate(float[] values, Model model) {
    return with(
        model,
        loaded -> {
          try (NDManager scope = loaded.manager().newSubManager()) {
            NDArray block = block(scope, values, loaded, model);
            NDArray located = loaded.quantizer().toSearchSpace(block, loaded.parameters());
            int count = values.length / loaded.layout().channels();
            int width = (int) located.getShape().get(1);
            return Arrays.copyOf(Torch.tensor(located).floats(), count * width);
          }
        });
  }

  /** Vectors, filled up with zeros to a block. */
  private static NDArray block(NDManager scope, float[] values, LoadedModel loaded, Model model) {
    int channels = loaded.layout().channels();
    if (values.length == 0 || values.length % channels != 0) {
      throw SqueezeException.input(
          model
              + " is of vectors of "
              + channels
              + " values, not of an array of "
              + values.length
              + ": it holds one vector, or several one after the other");
    }
    int count = values.length / channels;
    int rows = (count + BLOCK - 1) / BLOCK * BLOCK;
    return Torch.floats(
        scope, new Shape(rows, channels), b -> b.put(values).put(new float[b.remaining()]));
  }

  /** Does something with a model's tensors, which a task loads once. */
  private static <T> T with(Model model, Function<LoadedModel, T> action) {
    TaskContext context = TaskContext.get();
    if (context == null) {
      try (LoadedModel loaded = LoadedModel.of(model.checkpoint.value())) {
        return action.apply(loaded);
      }
    }
    String key = context.taskAttemptId() + " " + model.sha256;
    LoadedModel loaded = LOADED.get(key);
    if (loaded == null) {
      LoadedModel opened = LoadedModel.of(model.checkpoint.value());
      LOADED.put(key, opened);
      context.addTaskCompletionListener(
          (TaskCompletionListener)
              ended -> {
                LOADED.remove(key);
                opened.close();
              });
      loaded = opened;
    }
    return action.apply(loaded);
  }
}
