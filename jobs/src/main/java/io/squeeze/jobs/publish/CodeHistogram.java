package io.squeeze.jobs.publish;

import io.squeeze.config.SqueezeException;
import io.squeeze.metric.CodeUsage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoder;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.encoders.AgnosticEncoder;
import org.apache.spark.sql.catalyst.encoders.AgnosticEncoders.ArrayEncoder;
import org.apache.spark.sql.catalyst.encoders.AgnosticEncoders.PrimitiveIntEncoder$;
import org.apache.spark.sql.catalyst.encoders.AgnosticEncoders.PrimitiveLongEncoder$;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.expressions.Aggregator;
import org.apache.spark.sql.expressions.UserDefinedFunction;
import org.apache.spark.sql.functions;
import scala.Tuple2;

/**
 * Counts the codes of each level: rows of (codes, levels) to [level][code], as long as the largest
 * code that occurs.
 */
public final class CodeHistogram extends Aggregator<Tuple2<int[], Integer>, long[][], long[][]> {
  private static final long serialVersionUID = 1L;

  /** Codes beyond this are no codebook's, and their counts would not fit into memory. */
  private static final int MOST = 1 << 24;

  private static final Encoder<long[][]> COUNTS =
      arrays(new ArrayEncoder<>(PrimitiveLongEncoder$.MODULE$, false));

  /** Scala's arrays have no type that Java knows. */
  @SuppressWarnings({"unchecked", "rawtypes"})
  private static <T> Encoder<T> arrays(AgnosticEncoder<?> element) {
    return ExpressionEncoder.apply((AgnosticEncoder) new ArrayEncoder<>(element, false));
  }

  /** The aggregate function of two columns. */
  public static UserDefinedFunction function() {
    Encoder<int[]> codes = arrays(PrimitiveIntEncoder$.MODULE$);
    return functions
        .udaf(new CodeHistogram(), Encoders.tuple(codes, Encoders.INT()))
        .withName("code_histogram");
  }

  /**
   * How often each code of each level occurs in a table.
   *
   * @param table with a column {@link Columns#CODES} of arrays
   * @param levels codes of each level
   * @throws SqueezeException of category input if there are others
   */
  public static List<CodeUsage> of(Dataset<Row> table, int[] levels) {
    if (levels.length == 0) {
      return List.of();
    }
    Row counted =
        table
            .agg(
                function()
                    .apply(functions.col(Columns.CODES), functions.lit(levels.length))
                    .as(Columns.CODES))
            .head();
    List<CodeUsage> usage = new ArrayList<>();
    for (int l = 0; l < levels.length; l++) {
      List<scala.collection.Seq<Long>> rows = counted.getList(0);
      long[] counts = new long[levels[l]];
      scala.collection.Seq<Long> found = l < rows.size() ? rows.get(l) : null;
      for (int k = 0; found != null && k < found.size(); k++) {
        if (k >= counts.length) {
          throw SqueezeException.input(
              "Foreign codes: level %s has a code %s, its codebook %s codes"
                  .formatted(l, found.size() - 1, counts.length));
        }
        counts[k] = found.apply(k);
      }
      usage.add(new CodeUsage(counts));
    }
    return usage;
  }

  @Override
  public long[][] zero() {
    return new long[0][];
  }

  @Override
  public long[][] reduce(long[][] counts, Tuple2<int[], Integer> row) {
    int[] codes = row._1();
    if (codes == null || row._2() == null) {
      return counts;
    }
    int levels = row._2();
    if (levels < 1 || codes.length % levels != 0) {
      throw SqueezeException.input(
          "A row of " + codes.length + " codes cannot have " + levels + " levels");
    }
    long[][] sums = wide(counts, levels);
    for (int i = 0; i < codes.length; i++) {
      int level = i % levels;
      int code = codes[i];
      if (code < 0 || code >= MOST) {
        throw SqueezeException.input("There is no code " + code + ": they begin with 0");
      }
      if (code >= sums[level].length) {
        sums[level] = Arrays.copyOf(sums[level], Math.max(code + 1, 2 * sums[level].length));
      }
      sums[level][code]++;
    }
    return sums;
  }

  private static long[][] wide(long[][] counts, int levels) {
    if (counts.length >= levels) {
      return counts;
    }
    long[][] wider = Arrays.copyOf(counts, levels);
    for (int l = counts.length; l < levels; l++) {
      wider[l] = new long[0];
    }
    return wider;
  }

  @Override
  public long[][] merge(long[][] a, long[][] b) {
    long[][] sums = wide(a, b.length);
    for (int l = 0; l < b.length; l++) {
      if (sums[l].length < b[l].length) {
        sums[l] = Arrays.copyOf(sums[l], b[l].length);
      }
      for (int k = 0; k < b[l].length; k++) {
        sums[l][k] += b[l][k];
      }
    }
    return sums;
  }

  @Override
  public long[][] finish(long[][] counts) {
    long[][] trimmed = new long[counts.length][];
    for (int l = 0; l < counts.length; l++) {
      int size = counts[l].length;
      while (size > 0 && counts[l][size - 1] == 0) {
        size--;
      }
      trimmed[l] = Arrays.copyOf(counts[l], size);
    }
    return trimmed;
  }

  @Override
  public Encoder<long[][]> bufferEncoder() {
    return COUNTS;
  }

  @Override
  public Encoder<long[][]> outputEncoder() {
    return COUNTS;
  }
}
