package io.squeeze.jobs.query;

import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.encode.EncodeJob;
import io.squeeze.jobs.encode.Encoder;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.train.TrainJob;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.apache.spark.sql.SparkSession;

/**
 * A small walk whose results queries are of: embeddings, codes, a run.
 *
 * @param checkpoint of the run
 */
record Walk(Path folder, String checkpoint) {

  /**
   * Walks below a folder.
   *
   * @param quantizer its settings
   * @param codecs of the codes to publish, by their name below {@code codes/}
   */
  static Walk below(Path folder, SparkSession spark, String quantizer, Map<String, String> codecs)
      throws IOException {
    Fixture fixture = new Fixture(folder, 24);
    Settings settings = fixture.settings("emb/shapes", "quantizer { " + quantizer + " }");
    String embeddings = new ExtractJob(spark, settings).run().path();
    String baseline =
        TrainJob.run(
            spark,
            fixture.settings(
                "emb/shapes", "quantizer.type = none, output.experiment-name = baseline"));
    String checkpoint = TrainJob.run(spark, settings);
    new EvaluateJob(spark, checkpoint, baseline, null, "test", null).score();
    HadoopStorage storage = new HadoopStorage(spark);
    for (Map.Entry<String, String> codec : codecs.entrySet()) {
      String target = folder + "/codes/" + codec.getKey();
      Encoder encoder = Encoder.open(storage, target, checkpoint, null);
      new EncodeJob(spark, embeddings, encoder, codec.getValue()).run();
    }
    return new Walk(folder, checkpoint);
  }
}
