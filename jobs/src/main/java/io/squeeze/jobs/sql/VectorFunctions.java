package io.squeeze.jobs.sql;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.GridVectors;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.sql.Calls.Vector;
import org.apache.spark.sql.catalyst.expressions.UnsafeArrayData;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * What the SQL functions of vectors compute, in double. Public because generated code calls them.
 */
public final class VectorFunctions {
  private VectorFunctions() {}

  /**
   * Cosine of the angle between two vectors of float32; null where an element is null or a vector
   * has no direction.
   */
  public static Double cosine(ArrayData a, ArrayData b) {
    check(a.numElements(), b.numElements());
    return VectorColumn.holdsNull(a) || VectorColumn.holdsNull(b)
        ? null
        : cosine(a.toFloatArray(), b.toFloatArray());
  }

  /** The same with a constant. */
  public static Double cosine(ArrayData a, Vector b) {
    check(a.numElements(), b.values().length);
    return VectorColumn.holdsNull(a) ? null : cosine(a.toFloatArray(), b.values(), b.squares());
  }

  /** The same of little-endian bytes of float32. */
  public static Double cosine(byte[] a, byte[] b) {
    return cosine(GridVectors.floats(a), GridVectors.floats(b));
  }

  /** The same with a constant. */
  public static Double cosine(byte[] a, Vector b) {
    return cosine(GridVectors.floats(a), b.values(), b.squares());
  }

  /** Euclidean distance of two vectors of float32; null where an element is null. */
  public static Double distance(ArrayData a, ArrayData b) {
    check(a.numElements(), b.numElements());
    return VectorColumn.holdsNull(a) || VectorColumn.holdsNull(b)
        ? null
        : distance(a.toFloatArray(), b.toFloatArray());
  }

  /** The same with a constant. */
  public static Double distance(ArrayData a, Vector b) {
    check(a.numElements(), b.values().length);
    return VectorColumn.holdsNull(a) ? null : distance(a.toFloatArray(), b.values());
  }

  /** The same of little-endian bytes of float32. */
  public static Double distance(byte[] a, byte[] b) {
    return distance(GridVectors.floats(a), GridVectors.floats(b));
  }

  /** The same with a constant. */
  public static Double distance(byte[] a, Vector b) {
    return distance(GridVectors.floats(a), b.values());
  }

  private static Double cosine(float[] a, float[] b) {
    return cosine(a, b, squares(b));
  }

  /** Sums of even and of odd places, which a processor adds up side by side. */
  private static Double cosine(float[] a, float[] b, double squaresOfB) {
    check(a.length, b.length);
    double evenDot = 0;
    double oddDot = 0;
    double evenSquares = 0;
    double oddSquares = 0;
    int i = 0;
    for (; i + 1 < a.length; i += 2) {
      double even = a[i];
      double odd = a[i + 1];
      evenDot += even * b[i];
      oddDot += odd * b[i + 1];
      evenSquares += even * even;
      oddSquares += odd * odd;
    }
    if (i < a.length) {
      evenDot += (double) a[i] * b[i];
      evenSquares += (double) a[i] * a[i];
    }
    double lengths = Math.sqrt(evenSquares + oddSquares) * Math.sqrt(squaresOfB);
    return lengths == 0 ? null : (evenDot + oddDot) / lengths;
  }

  /** Of a vector's values, added up as the cosine does. */
  static double squares(float[] a) {
    double even = 0;
    double odd = 0;
    int i = 0;
    for (; i + 1 < a.length; i += 2) {
      even += (double) a[i] * a[i];
      odd += (double) a[i + 1] * a[i + 1];
    }
    return even + odd + (i < a.length ? (double) a[i] * a[i] : 0);
  }

  private static Double distance(float[] a, float[] b) {
    check(a.length, b.length);
    double squares = 0;
    for (int i = 0; i < a.length; i++) {
      double difference = (double) a[i] - b[i];
      squares += difference * difference;
    }
    return Math.sqrt(squares);
  }

  /** The values of an embedding as they are stored, as an array of float32. */
  public static ArrayData array(byte[] embedding, UTF8String dtype) {
    return UnsafeArrayData.fromPrimitiveArray(GridVectors.values(embedding, dtype.toString()));
  }

  /** The vector at a place of an embedding; null outside of its grid. */
  public static ArrayData at(
      byte[] embedding, int y, int x, int channels, int height, int width, UTF8String dtype) {
    if (y < 0 || y >= height || x < 0 || x >= width) {
      return null;
    }
    return UnsafeArrayData.fromPrimitiveArray(
        GridVectors.at(embedding, y * width + x, channels, height * width, dtype.toString()));
  }

  private static void check(int a, int b) {
    if (a != b) {
      throw SqueezeException.input(
          "Cannot compare a vector of " + a + " values with one of " + b + ": lengths must match");
    }
  }

  /**
   * Intersection over union of a class in two masks of a byte a pixel; pixels that are 255 in the
   * second do not count; null where neither has the class.
   */
  public static Double iou(byte[] mask, byte[] target, int label) {
    check(mask.length, target.length);
    if (label < 0 || label > 254) {
      throw SqueezeException.input("There is no class " + label + ": they are 0 to 254");
    }
    long both = 0;
    long either = 0;
    for (int i = 0; i < mask.length; i++) {
      if (target[i] != (byte) 255) {
        boolean a = mask[i] == (byte) label;
        boolean b = target[i] == (byte) label;
        both += a && b ? 1 : 0;
        either += a || b ? 1 : 0;
      }
    }
    return either == 0 ? null : (double) both / either;
  }
}
