package io.squeeze.jobs.sql;

import io.squeeze.jobs.sql.VectorAggregate.Sum;
import java.io.Serializable;
import org.apache.spark.sql.Encoder;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.catalyst.encoders.AgnosticEncoder;
import org.apache.spark.sql.catalyst.encoders.AgnosticEncoders.ArrayEncoder;
import org.apache.spark.sql.catalyst.encoders.AgnosticEncoders.PrimitiveFloatEncoder$;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.expressions.Aggregator;
import org.apache.spark.sql.expressions.UserDefinedFunction;
import org.apache.spark.sql.functions;

/**
 * The sum or the mean of vectors, added up in double. Public because generated code sees its sums.
 */
public final class VectorAggregate extends Aggregator<float[], Sum, float[]> {
  private static final long serialVersionUID = 1L;

  /** Scala's arrays have no type that Java knows. */
  @SuppressWarnings({"unchecked", "rawtypes"})
  private static final Encoder<float[]> FLOATS =
      ExpressionEncoder.apply(
          (AgnosticEncoder) new ArrayEncoder<>(PrimitiveFloatEncoder$.MODULE$, false));

  private final String name;
  private final boolean mean;

  /** What was added; {@code values} is null before the first vector. */
  public record Sum(double[] values, long count) implements Serializable {}

  private VectorAggregate(String name, boolean mean) {
    this.name = name;
    this.mean = mean;
  }

  static UserDefinedFunction function(String name, boolean mean) {
    return functions.udaf(new VectorAggregate(name, mean), FLOATS).withName(name);
  }

  @Override
  public Sum zero() {
    return new Sum(null, 0);
  }

  @Override
  public Sum reduce(Sum sum, float[] vector) {
    if (vector == null) {
      return sum;
    }
    double[] values = new double[vector.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = vector[i];
    }
    return merge(sum, new Sum(values, 1));
  }

  @Override
  public Sum merge(Sum a, Sum b) {
    if (a.values() == null || b.values() == null) {
      return a.values() == null ? b : a;
    }
    VectorSemantics.check(name, a.values().length, b.values().length);
    double[] values = a.values().clone();
    for (int i = 0; i < values.length; i++) {
      values[i] += b.values()[i];
    }
    return new Sum(values, a.count() + b.count());
  }

  @Override
  public float[] finish(Sum sum) {
    if (sum.values() == null) {
      return null;
    }
    float[] result = new float[sum.values().length];
    for (int i = 0; i < result.length; i++) {
      result[i] = (float) (mean ? sum.values()[i] / sum.count() : sum.values()[i]);
    }
    return result;
  }

  @Override
  public Encoder<Sum> bufferEncoder() {
    return Encoders.javaSerialization(Sum.class);
  }

  @Override
  public Encoder<float[]> outputEncoder() {
    return FLOATS;
  }
}
