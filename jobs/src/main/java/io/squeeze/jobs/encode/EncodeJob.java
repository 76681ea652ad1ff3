package io.squeeze.jobs.encode;

import ai.djl.ndarray.NDManager;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.encode.CodesWriter.Source;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.model.MappedRows;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.ParquetBytes;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.spark.Stages;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.quantize.Quantized;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.StructType;

/**
 * Encodes embeddings with a checkpoint and publishes the codes. Extraction straight to codes gives
 * the same codes.
 */
public final class EncodeJob {
  private final SparkSession spark;
  private final HadoopStorage storage;
  private final TrainedQuantizer encoder;
  private final CodesWriter writer;
  private final Published embeddings;

  /**
   * A job that writes to the data set of codes that {@code encoder} names.
   *
   * @throws SqueezeException of category input if there are no embeddings, or others
   */
  public EncodeJob(
      SqueezeSession session, String embeddings, TrainedQuantizer encoder, String codec)
      throws IOException {
    this.spark = session.spark();
    this.storage = session.storage();
    this.encoder = encoder;
    this.writer = new CodesWriter(session, encoder, codec);
    this.embeddings = Versions.embeddings(storage, embeddings);
    Manifest manifest = this.embeddings.manifest();
    encoder.check(this.embeddings.path(), manifest.backbone().sha256());
  }

  /**
   * Publishes a version, or finds that it is there. More embeddings become the next one.
   *
   * @throws SqueezeException of category configuration if other codes are there
   */
  public Published run() throws IOException {
    Manifest manifest = embeddings.manifest();
    long bytes = ParquetBytes.of(spark, storage, embeddings.path(), Columns.EMBEDDING).bytes();
    List<String> growing = List.of(Manifest.LISTS, Manifest.FILES);
    return writer.run(
        new Source(
            manifest.settings(), growing, (split, before) -> rows(split), null, manifest, bytes));
  }

  private Dataset<Row> rows(String split) {
    Dataset<Row> source = embeddings.read(spark, split);
    StructType schema = Columns.codes(embeddings.manifest().columns()).withSplit();
    Checkpoint checkpoint = encoder.checkpoint();
    Broadcast<Checkpoint> sent =
        JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(checkpoint);
    List<String> kept = new ArrayList<>(Arrays.asList(schema.fieldNames()));
    kept.removeAll(List.of(Columns.LEVELS, Columns.CODES));
    kept.add(Columns.EMBEDDING);
    JavaRDD<Row> codes =
        source
            .select(kept.stream().map(functions::col).toArray(org.apache.spark.sql.Column[]::new))
            .toJavaRDD()
            .mapPartitions(
                rows -> MappedRows.by(sent, (loaded, row) -> encoded(schema, loaded, row), rows));
    return spark.createDataFrame(Stages.computing(codes), schema);
  }

  /** Quantizes one sample alone, so that its codes do not depend on its neighbours. */
  private static Row encoded(StructType schema, LoadedModel loaded, Row row) {
    try (NDManager scope = loaded.manager().newSubManager()) {
      List<byte[]> one = List.of(row.<byte[]>getAs(Columns.EMBEDDING));
      int[] codes =
          Quantized.values(
              loaded
                  .model()
                  .codes(Batch.features(scope, one, loaded.layout()), loaded.parameters()));
      int depth = loaded.quantizer().codebookSizes().length;
      return MappedRows.row(schema, row, Map.of(Columns.LEVELS, depth, Columns.CODES, codes));
    }
  }
}
