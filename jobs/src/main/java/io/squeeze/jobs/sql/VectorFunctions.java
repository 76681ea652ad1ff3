package io.squeeze.jobs.sql;

import io.squeeze.config.SqueezeException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.apache.spark.sql.catalyst.util.ArrayData;

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
    return hasNull(a) || hasNull(b) ? null : cosine(a.toFloatArray(), b.toFloatArray());
  }

  /** The same of little-endian bytes of float32. */
  public static Double cosine(byte[] a, byte[] b) {
    return cosine(floats(a), floats(b));
  }

  /** Euclidean distance of two vectors of float32; null where an element is null. */
  public static Double distance(ArrayData a, ArrayData b) {
    check(a.numElements(), b.numElements());
    return hasNull(a) || hasNull(b) ? null : distance(a.toFloatArray(), b.toFloatArray());
  }

  /** The same of little-endian bytes of float32. */
  public static Double distance(byte[] a, byte[] b) {
    return distance(floats(a), floats(b));
  }

  private static Double cosine(float[] a, float[] b) {
    check(a.length, b.length);
    double dot = 0;
    double squaresOfA = 0;
    double squaresOfB = 0;
    for (int i = 0; i < a.length; i++) {
      dot += (double) a[i] * b[i];
      squaresOfA += (double) a[i] * a[i];
      squaresOfB += (double) b[i] * b[i];
    }
    double lengths = Math.sqrt(squaresOfA) * Math.sqrt(squaresOfB);
    return lengths == 0 ? null : dot / lengths;
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

  private static boolean hasNull(ArrayData vector) {
    for (int i = 0; i < vector.numElements(); i++) {
      if (vector.isNullAt(i)) {
        return true;
      }
    }
    return false;
  }

  private static float[] floats(byte[] bytes) {
    if (bytes.length % Float.BYTES != 0) {
      throw SqueezeException.input(
          "A vector has " + bytes.length + " bytes: float32 takes four an element");
    }
    float[] values = new float[bytes.length / Float.BYTES];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    return values;
  }

  private static void check(int a, int b) {
    if (a != b) {
      throw SqueezeException.input(
          "Cannot compare a vector of " + a + " values with one of " + b + ": both need as many");
    }
  }
}
