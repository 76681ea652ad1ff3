package io.squeeze.jobs.model;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.posexplode;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF5;
import org.apache.spark.sql.types.DataTypes;

/** Single vectors of stored grids, [channels, grid_height, grid_width] in little-endian floats. */
public final class GridVectors {
  private GridVectors() {}

  /**
   * The vector at a place of an embedding, [channels].
   *
   * @param position y * width + x
   * @param area vectors of the grid
   * @throws SqueezeException of category input if the bytes are no such grid
   */
  public static float[] at(byte[] embedding, int position, int channels, int area, String dtype) {
    int bytes = dtype.equals("float16") ? Short.BYTES : Float.BYTES;
    if (embedding.length != (long) bytes * channels * area) {
      throw SqueezeException.input(
          "An embedding of %s bytes is no grid of %s vectors of %s values in %s"
              .formatted(embedding.length, area, channels, dtype));
    }
    byte[] vector = new byte[bytes * channels];
    for (int c = 0; c < channels; c++) {
      System.arraycopy(embedding, (c * area + position) * bytes, vector, c * bytes, bytes);
    }
    return values(vector, dtype);
  }

  /** The values of bytes of this type. */
  public static float[] values(byte[] bytes, String dtype) {
    return switch (dtype) {
      case "float32" -> floats(bytes);
      case "float16" ->
          new HostTensor(ElementType.F16, new long[] {bytes.length / Short.BYTES}, bytes).floats();
      default -> throw SqueezeException.input("No dtype " + dtype + ": there are float32, float16");
    };
  }

  /** Little-endian float32. */
  public static float[] floats(byte[] bytes) {
    if (bytes.length % Float.BYTES != 0) {
      throw SqueezeException.input(
          "A vector has " + bytes.length + " bytes: float32 takes four an element");
    }
    float[] values = new float[bytes.length / Float.BYTES];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    return values;
  }

  /** The vectors of embeddings: sample_id, position, vector. */
  public static Dataset<Row> of(SparkSession spark, Published embeddings) {
    UDF5<byte[], Integer, Integer, Integer, String, float[][]> vectors =
        (embedding, channels, height, width, dtype) -> {
          float[][] all = new float[height * width][];
          for (int position = 0; position < all.length; position++) {
            all[position] = at(embedding, position, channels, all.length, dtype);
          }
          return all;
        };
    return embeddings
        .read(spark)
        .select(
            col(Columns.SAMPLE_ID),
            posexplode(
                    udf(
                            vectors,
                            DataTypes.createArrayType(
                                DataTypes.createArrayType(DataTypes.FloatType, false), false))
                        .apply(
                            col(Columns.EMBEDDING),
                            col(Columns.CHANNELS),
                            col(Columns.GRID_HEIGHT),
                            col(Columns.GRID_WIDTH),
                            col(Columns.DTYPE)))
                .as(new String[] {Columns.POSITION, Columns.VECTOR}));
  }
}
