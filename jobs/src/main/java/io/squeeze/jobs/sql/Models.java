package io.squeeze.jobs.sql;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.encode.Encoder;
import io.squeeze.jobs.spark.Coding;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.LoadedModel;
import io.squeeze.jobs.spark.Versions;
import io.squeeze.jobs.spark.Versions.Published;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
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
        return model(spark, path, Encoder.open(storage, "", path, null), null);
      }
      Published codes = Versions.codes(storage, path);
      Encoder encoder = Encoder.beside(storage, codes);
      return model(spark, codes.path(), encoder, codes.manifest().coding());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static CodeFunctions.Model model(
      SparkSession spark, String name, Encoder encoder, Coding coding) {
    if (encoder.checkpoint().settings().train().adapterParameters() != null) {
      throw SqueezeException.configuration(
          name + " has an adapter (--add_adapter), which is for grids, not for single vectors");
    }
    String sha256 = encoder.sha256();
    Broadcast<Checkpoint> checkpoint =
        sent(spark, "checkpoint " + sha256, () -> encoder.checkpoint().withoutHead().forUse());
    Broadcast<CodeModel> codes =
        sent(spark, name + " " + sha256, () -> codes(name, encoder.checkpoint(), coding));
    return new CodeFunctions.Model(name, sha256, codes, checkpoint);
  }

  private static CodeModel codes(String name, Checkpoint checkpoint, Coding coding) {
    try (LoadedModel loaded = LoadedModel.of(checkpoint)) {
      int depth = loaded.quantizer().levels().length;
      float[][] vectors = new float[depth][];
      float[][] places = new float[depth][];
      for (int l = 0; l < depth; l++) {
        vectors[l] = Encoder.contributions(loaded, l, loaded.quantizer()::decode);
        places[l] = Encoder.contributions(loaded, l, loaded.quantizer()::locations);
      }
      return new CodeModel(name, vectors, places, loaded.layout().channels(), coding);
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
