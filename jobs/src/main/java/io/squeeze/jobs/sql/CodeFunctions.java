package io.squeeze.jobs.sql;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.CodebookTables;
import io.squeeze.jobs.model.CodebookTables.Tables;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.sql.Calls.Vector;
import io.squeeze.quantize.Quantized;
import io.squeeze.torch.Torch;
import java.util.Arrays;
import org.apache.spark.sql.catalyst.expressions.UnsafeArrayData;
import org.apache.spark.sql.catalyst.util.ArrayData;

/** What the SQL functions of codes compute. Public because generated code calls them. */
public final class CodeFunctions {
  /** Rows of a block: a vector's codes depend on its block's shape in the last bit. */
  private static final int BLOCK = 64;

  private CodeFunctions() {}

  /** Vectors of codes, one after the other. */
  public static ArrayData decode(ArrayData codes, QueryModel model) {
    return VectorColumn.holdsNull(codes)
        ? null
        : UnsafeArrayData.fromPrimitiveArray(
            model.tables().decode(codes.toIntArray(), model.levels()));
  }

  /** Codes of a binary column, for a grid of vectors. */
  public static ArrayData unpack(
      byte[] packed, int levels, int height, int width, QueryModel model) {
    return UnsafeArrayData.fromPrimitiveArray(
        model.tables().unpack(packed, levels * height * width));
  }

  /** See {@link CodebookTables#distance}; of a query that is vectors. */
  public static Double distance(ArrayData codes, ArrayData query, QueryModel model) {
    return VectorColumn.holdsNull(query) ? null : distance(codes, query.toFloatArray(), model);
  }

  /** The same for a query that is constant. */
  public static Double distance(ArrayData codes, Vector query, QueryModel model) {
    return distance(codes, query.values(), model);
  }

  private static Double distance(ArrayData codes, float[] query, QueryModel model) {
    if (missing(codes)) {
      return null;
    }
    Tables[] tables = model.ofVectors(query, values -> located(values, model));
    return model.tables().distance(codes.toIntArray(), tables, model.levels());
  }

  /** See {@link CodebookTables#cosine}; null where there is no direction. */
  public static Double cosine(ArrayData codes, ArrayData query, QueryModel model) {
    return VectorColumn.holdsNull(query) ? null : cosine(codes, query.toFloatArray(), model);
  }

  /** The same for a query that is constant. */
  public static Double cosine(ArrayData codes, Vector query, QueryModel model) {
    return cosine(codes, query.values(), model);
  }

  private static Double cosine(ArrayData codes, float[] query, QueryModel model) {
    if (missing(codes)) {
      return null;
    }
    Tables[] tables =
        model.ofVectors(query, values -> model.tables().scaled(located(values, model)));
    double found = model.tables().cosine(codes.toIntArray(), tables, model.levels());
    return Double.isNaN(found) ? null : found;
  }

  /** The distance of what two lists of codes stand for. */
  public static Double symmetricDistance(ArrayData codes, ArrayData query, QueryModel model) {
    return VectorColumn.holdsNull(query) || query.numElements() == 0 || missing(codes)
        ? null
        : model
            .tables()
            .distance(codes.toIntArray(), model.ofCodes(query.toIntArray()), model.levels());
  }

  private static boolean missing(ArrayData codes) {
    return codes.numElements() == 0 || VectorColumn.holdsNull(codes);
  }

  /** Vectors [m * C] where they are compared with codes. */
  private static float[] located(float[] query, QueryModel model) {
    check(query, model);
    return model.comparesDecoded() ? query : toSearchSpace(query, model);
  }

  /** The codes of vectors, [m * C]: [m * levels]. */
  public static ArrayData encode(ArrayData vectors, QueryModel model) {
    if (VectorColumn.holdsNull(vectors)) {
      return null;
    }
    float[] values = vectors.toFloatArray();
    return model.with(
        loaded -> {
          try (NDManager scope = loaded.manager().newSubManager()) {
            NDArray block = block(scope, values, model);
            int[] codes = Quantized.values(loaded.quantizer().codes(block, loaded.parameters()));
            int count = values.length / model.channels();
            int depth = codes.length / (int) block.getShape().get(0);
            return UnsafeArrayData.fromPrimitiveArray(Arrays.copyOf(codes, count * depth));
          }
        });
  }

  /** Vectors [m * C] where the quantizer searches, [m * d]. */
  private static float[] toSearchSpace(float[] values, QueryModel model) {
    return model.with(
        loaded -> {
          try (NDManager scope = loaded.manager().newSubManager()) {
            NDArray block = block(scope, values, model);
            NDArray located = loaded.quantizer().toSearchSpace(block, loaded.parameters());
            int count = values.length / model.channels();
            int width = (int) located.getShape().get(1);
            return Arrays.copyOf(Torch.tensor(located).floats(), count * width);
          }
        });
  }

  private static void check(float[] values, QueryModel model) {
    int channels = model.channels();
    if (values.length == 0 || values.length % channels != 0) {
      throw SqueezeException.input(
          ("%s is of vectors of %s values, not of an array of %s: it holds one vector, or several"
                  + " one after the other. For codes, call symmetric_code_distance")
              .formatted(model, channels, values.length));
    }
  }

  /** Vectors, filled up with zeros to a block. */
  private static NDArray block(NDManager scope, float[] values, QueryModel model) {
    int channels = model.channels();
    check(values, model);
    int count = values.length / channels;
    int rows = (count + BLOCK - 1) / BLOCK * BLOCK;
    return Torch.floats(
        scope, new Shape(rows, channels), b -> b.put(values).put(new float[b.remaining()]));
  }
}
