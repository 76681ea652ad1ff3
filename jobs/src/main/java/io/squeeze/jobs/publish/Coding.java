package io.squeeze.jobs.publish;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.udf;

import com.fasterxml.jackson.annotation.JsonIgnore;
import io.squeeze.codec.BitPacking;
import io.squeeze.codec.CodeCodec;
import io.squeeze.codec.EntropyCoding;
import io.squeeze.config.SqueezeException;
import io.squeeze.metric.CodeUsage;
import java.io.Serializable;
import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF3;
import org.apache.spark.sql.types.DataTypes;

/**
 * How a binary column stores codes.
 *
 * @param codec packed or entropy
 * @param levels codes of each level
 * @param frequencies of entropy coding, [level][code]; empty for packed codes
 */
public record Coding(String codec, int[] levels, List<int[]> frequencies) implements Serializable {
  /** Codes as {@code array<int>}: a data set of them has no coding. */
  public static final String ARRAY = "array";

  public static final String PACKED = "packed";
  public static final String ENTROPY = "entropy";

  /** The names that a user may give. */
  public static final List<String> NAMES = List.of(ARRAY, PACKED, ENTROPY);

  /** The coding of this name for codes of such statistics; null for arrays. */
  public static Coding of(String codec, List<CodeUsage> usage) {
    int[] levels = usage.stream().mapToInt(level -> level.counts().length).toArray();
    return switch (codec) {
      case ARRAY -> null;
      case PACKED -> new Coding(codec, levels, List.of());
      case ENTROPY ->
          new Coding(
              codec,
              levels,
              usage.stream().map(level -> EntropyCoding.frequencies(level.counts())).toList());
      default -> throw unknown(codec);
    };
  }

  /** Says that there is no codec of this name. */
  public static SqueezeException unknown(String codec) {
    return SqueezeException.usage(
        "No codec " + codec + " (--codec): there are " + String.join(", ", NAMES));
  }

  /**
   * Rows of codes with the codes as arrays.
   *
   * @param coding null if the rows hold arrays already
   */
  public static Dataset<Row> arrays(Coding coding, Dataset<Row> rows) {
    if (coding == null) {
      return rows;
    }
    CodeCodec packing = coding.implementation();
    int depth = coding.levels().length;
    UDF3<byte[], Integer, Integer, int[]> unpack =
        (codes, height, width) -> packing.unpack(codes, height * width * depth);
    Column unpacked =
        udf(unpack, DataTypes.createArrayType(DataTypes.IntegerType, false))
            .apply(col(Columns.CODES), col(Columns.GRID_HEIGHT), col(Columns.GRID_WIDTH));
    return rows.withColumn(Columns.CODES, unpacked);
  }

  /** What packs and unpacks. */
  @JsonIgnore
  public CodeCodec implementation() {
    return switch (codec) {
      case PACKED -> new BitPacking(levels);
      case ENTROPY -> new EntropyCoding(frequencies);
      default -> throw unknown(codec);
    };
  }
}
