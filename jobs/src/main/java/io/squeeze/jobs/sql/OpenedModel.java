package io.squeeze.jobs.sql;

import io.squeeze.jobs.fit.VectorFit;
import io.squeeze.jobs.model.CodebookTables;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.CodebookFile;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;

/**
 * The files of a model, on the driver.
 *
 * @param codes null for a checkpoint
 */
record OpenedModel(
    SparkSession spark, String name, TrainedQuantizer quantizer, Published codes, Purpose purpose) {
  /** By application and content. */
  private static final Map<String, Broadcast<?>> SENT = new ConcurrentHashMap<>();

  /** What a model is for. */
  enum Purpose {
    UNPACKING,
    DECODING,
    SEARCHING
  }

  /** The same files, to decode codes. */
  OpenedModel decoding() {
    return new OpenedModel(spark, name, quantizer, codes, Purpose.DECODING);
  }

  Broadcast<Checkpoint> sentCheckpoint() {
    return sent(
        "checkpoint " + quantizer.sha256(), () -> quantizer.checkpoint().withoutHead().forUse());
  }

  Broadcast<CodebookTables> sentTables() {
    String files = codes == null ? "" : codes.manifest().files().toString();
    return sent(
        purpose + " " + name + " " + quantizer.sha256() + files,
        () ->
            new CodebookTables(
                name,
                quantizer.codebookSizes(),
                vectors(),
                codes == null ? null : codes.manifest().coding(),
                orthogonal()));
  }

  /** A projection that was trained may be anything; that of a fit is orthonormal. */
  private boolean orthogonal() {
    Checkpoint checkpoint = quantizer.checkpoint();
    return checkpoint.model().quantizer().orthogonal()
        && (purpose == Purpose.SEARCHING || checkpoint.backbone().equals(VectorFit.NO_BACKBONE));
  }

  private float[][] vectors() {
    return switch (purpose) {
      case UNPACKING -> null;
      case DECODING -> codes == null ? computed(false) : published();
      case SEARCHING -> computed(true);
    };
  }

  private float[][] computed(boolean search) {
    try (LoadedModel loaded = LoadedModel.of(quantizer.checkpoint())) {
      float[][] vectors = new float[quantizer.codebookSizes().length][];
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
    try {
      return CodebookFile.vectors(Sessions.storage(spark), codes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @SuppressWarnings("unchecked") // a key always has one type
  private <T> Broadcast<T> sent(String what, Supplier<T> value) {
    String application = spark.sparkContext().applicationId() + " ";
    SENT.keySet().removeIf(known -> !known.startsWith(application));
    return (Broadcast<T>)
        SENT.computeIfAbsent(
            application + what,
            absent ->
                JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(value.get()));
  }
}
