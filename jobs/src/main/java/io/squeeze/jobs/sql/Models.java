package io.squeeze.jobs.sql;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.encode.Encoder;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.Versions;
import io.squeeze.jobs.spark.Versions.Published;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** The models that queries name by path, each sent to the executors once an application. */
final class Models {
  private static final Map<String, Broadcast<?>> SENT = new ConcurrentHashMap<>();

  private Models() {}

  /** The model of a data set of codes, or of a checkpoint. */
  static CodeFunctions.Model of(String path) {
    SparkSession spark = SparkSession.active();
    HadoopStorage storage = new HadoopStorage(spark);
    try {
      if (path.endsWith(".ckpt")) {
        Encoder encoder = Encoder.open(storage, "", path, null);
        int channels = encoder.checkpoint().layout().channels();
        return new CodeFunctions.Model(
            path,
            sent(
                spark,
                "vectors " + encoder.sha256(),
                () -> new CodeModel(path, encoder.vectors(), channels, null)));
      }
      Published codes = Versions.codes(storage, path);
      return new CodeFunctions.Model(
          codes.path(),
          sent(
              spark,
              codes.path() + codes.manifest().files(),
              () ->
                  new CodeModel(
                      codes.path(),
                      vectors(spark, codes),
                      codes.manifest().channels(),
                      codes.manifest().coding())));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static float[][] vectors(SparkSession spark, Published codes) {
    List<Row> rows = codes.codebook(spark).orderBy(Columns.LEVEL, Columns.CODE).collectAsList();
    int channels = codes.manifest().channels();
    int depth = rows.isEmpty() ? 0 : rows.get(rows.size() - 1).<Integer>getAs(Columns.LEVEL) + 1;
    float[][] vectors = new float[depth][];
    for (int l = 0; l < depth; l++) {
      int level = l;
      List<Row> own =
          rows.stream().filter(row -> row.<Integer>getAs(Columns.LEVEL) == level).toList();
      vectors[l] = new float[own.size() * channels];
      for (int k = 0; k < own.size(); k++) {
        List<Float> values = own.get(k).getList(own.get(k).fieldIndex(Columns.VECTOR));
        for (int j = 0; j < channels; j++) {
          vectors[l][k * channels + j] = values.get(j);
        }
      }
    }
    return vectors;
  }

  /** The quantizer of a checkpoint. */
  static CodeFunctions.EncodingModel encoding(String path) {
    SparkSession spark = SparkSession.active();
    try {
      Encoder encoder = Encoder.open(new HadoopStorage(spark), "", path, null);
      if (encoder.checkpoint().settings().train().adapterParameters() != null) {
        throw SqueezeException.configuration(
            path + " has an adapter (--add_adapter), which is for grids, not for single vectors");
      }
      Broadcast<Checkpoint> checkpoint = sent(spark, encoder.sha256(), encoder::checkpoint);
      return new CodeFunctions.EncodingModel(path, encoder.sha256(), checkpoint);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @SuppressWarnings("unchecked") // a key always has one type
  private static <T> Broadcast<T> sent(SparkSession spark, String what, Supplier<T> value) {
    String key = spark.sparkContext().applicationId() + " " + what;
    return (Broadcast<T>)
        SENT.computeIfAbsent(
            key,
            absent ->
                JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(value.get()));
  }
}
