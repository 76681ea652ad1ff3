package io.squeeze.jobs.sql;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.VectorColumn;
import org.apache.spark.sql.catalyst.expressions.UnsafeArrayData;
import org.apache.spark.sql.catalyst.util.ArrayData;

/** What Spark's vector functions compute. Public because generated code calls it. */
public final class VectorSemantics {
  private VectorSemantics() {}

  /** Null where a vector has no direction or holds a null. */
  public static Float cosineSimilarity(ArrayData a, ArrayData b) {
    check("vector_cosine_similarity", a, b);
    if (VectorColumn.holdsNull(a) || VectorColumn.holdsNull(b)) {
      return null;
    }
    float[] x = a.toFloatArray();
    float[] y = b.toFloatArray();
    double lengths = Math.sqrt(dot(x, x) * dot(y, y));
    return lengths == 0 ? null : (float) (dot(x, y) / lengths);
  }

  /** Null where a vector holds a null. */
  public static Float l2Distance(ArrayData a, ArrayData b) {
    check("vector_l2_distance", a, b);
    if (VectorColumn.holdsNull(a) || VectorColumn.holdsNull(b)) {
      return null;
    }
    float[] x = a.toFloatArray();
    float[] y = b.toFloatArray();
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      double difference = (double) x[i] - y[i];
      sum += difference * difference;
    }
    return (float) Math.sqrt(sum);
  }

  /** Null where a vector holds a null. */
  public static Float innerProduct(ArrayData a, ArrayData b) {
    check("vector_inner_product", a, b);
    return VectorColumn.holdsNull(a) || VectorColumn.holdsNull(b)
        ? null
        : (float) dot(a.toFloatArray(), b.toFloatArray());
  }

  /** Null where the vector holds a null. */
  public static Float norm(ArrayData vector, float degree) {
    return VectorColumn.holdsNull(vector)
        ? null
        : (float) norm("vector_norm", vector.toFloatArray(), degree);
  }

  /** Null where the vector holds a null, or its norm is zero. */
  public static ArrayData normalize(ArrayData vector, float degree) {
    if (VectorColumn.holdsNull(vector)) {
      return null;
    }
    float[] values = vector.toFloatArray();
    double norm = norm("vector_normalize", values, degree);
    if (norm == 0 && values.length > 0) {
      return null;
    }
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (values[i] / norm);
    }
    return UnsafeArrayData.fromPrimitiveArray(values);
  }

  /** The vector itself; null where it holds a null. */
  public static ArrayData whole(ArrayData vector) {
    return VectorColumn.holdsNull(vector) ? null : vector;
  }

  private static double dot(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (double) a[i] * b[i];
    }
    return sum;
  }

  private static double norm(String function, float[] values, float degree) {
    if (degree == 2) {
      return Math.sqrt(dot(values, values));
    }
    if (degree != 1 && degree != Float.POSITIVE_INFINITY) {
      throw SqueezeException.input(
          "The degree of %s must be 1.0, 2.0 or float('inf'), not %s".formatted(function, degree));
    }
    double norm = 0;
    for (float value : values) {
      norm = degree == 1 ? norm + Math.abs(value) : Math.max(norm, Math.abs(value));
    }
    return norm;
  }

  private static void check(String function, ArrayData a, ArrayData b) {
    check(function, a.numElements(), b.numElements());
  }

  static void check(String function, int a, int b) {
    if (a != b) {
      throw SqueezeException.input(
          "Vectors passed to %s must have the same dimension, but got %d and %d"
              .formatted(function, a, b));
    }
  }
}
