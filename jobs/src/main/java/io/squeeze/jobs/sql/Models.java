package io.squeeze.jobs.sql;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.sql.CodeFunctions.Model;
import io.squeeze.jobs.storage.HadoopStorage;
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

/**
 * A model that a query names by path, a data set of codes or a checkpoint; sent to the executors
 * once an application.
 *
 * @param codes null for a checkpoint
 */
record Models(SparkSession spark, String name, TrainedQuantizer encoder, Published codes) {
  private static final Map<String, Broadcast<?>> SENT = new ConcurrentHashMap<>();

  /** Opens a model; libtorch is not needed for that. */
  static Models at(String path) {
    SparkSession spark = SparkSession.active();
    HadoopStorage storage = Sessions.storage(spark);
    try {
      if (path.endsWith(".ckpt")) {
        return new Models(spark, path, TrainedQuantizer.open(storage, "", path, null), null);
      }
      Published codes = Versions.codes(storage, path, "the model of a function");
      return new Models(spark, codes.path(), TrainedQuantizer.beside(storage, codes), codes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What unpacks codes. */
  Model unpacking() {
    return model("unpack", () -> null);
  }

  /** What decodes codes to features: by the table that was published with them, if any. */
  Model decoding() {
    return model("decode", () -> codes == null ? computed(false) : published());
  }

  /** What compares codes with vectors, and gives vectors codes: where the quantizer searches. */
  Model searching() {
    if (encoder.checkpoint().settings().train().adapterParameters() != null) {
      throw SqueezeException.configuration(
          name + " has an adapter (--add_adapter), which is for grids, not for single vectors");
    }
    return model("search", () -> computed(true));
  }

  private Model model(String purpose, Supplier<float[][]> vectors) {
    String sha256 = encoder.sha256();
    Coding coding = codes == null ? null : codes.manifest().coding();
    Broadcast<Checkpoint> checkpoint =
        sent("checkpoint " + sha256, () -> encoder.checkpoint().withoutHead().forUse());
    Broadcast<CodeModel> model =
        sent(
            purpose + " " + name + " " + sha256 + (codes == null ? "" : codes.manifest().files()),
            () -> new CodeModel(name, encoder.codebookSizes(), vectors.get(), coding));
    return new Model(name, sha256, model, checkpoint);
  }

  private float[][] computed(boolean search) {
    try (LoadedModel loaded = LoadedModel.of(encoder.checkpoint())) {
      float[][] vectors = new float[encoder.codebookSizes().length][];
      for (int l = 0; l < vectors.length; l++) {
        vectors[l] =
            TrainedQuantizer.contributions(
                loaded,
                l,
                search ? loaded.quantizer()::codewordsInSearchSpace : loaded.quantizer()::decode);
      }
      return vectors;
    }
  }

  private float[][] published() {
    int channels = codes.manifest().channels();
    int[] levels = encoder.codebookSizes();
    float[][] vectors = new float[levels.length][];
    for (int l = 0; l < vectors.length; l++) {
      vectors[l] = new float[levels[l] * channels];
    }
    for (Row row : codes.codebook(spark).collectAsList()) {
      int at = row.<Integer>getAs(Columns.CODE) * channels;
      List<Float> values = row.getList(row.fieldIndex(Columns.VECTOR));
      for (int j = 0; j < channels; j++) {
        vectors[row.<Integer>getAs(Columns.LEVEL)][at + j] = values.get(j);
      }
    }
    return vectors;
  }

  @SuppressWarnings("unchecked") // a key always has one type
  private <T> Broadcast<T> sent(String what, Supplier<T> value) {
    String application = spark.sparkContext().applicationId() + " ";
    SENT.keySet().removeIf(known -> !known.startsWith(application));
    String key = application + what;
    return (Broadcast<T>)
        SENT.computeIfAbsent(
            key,
            absent ->
                JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(value.get()));
  }
}
