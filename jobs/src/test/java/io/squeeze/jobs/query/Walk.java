package io.squeeze.jobs.query;

import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.encode.EncodeJob;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.storage.HadoopStorage;
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
    String embeddings = new ExtractJob(Fixture.squeeze(spark), settings).run().path();
    String baseline =
        TrainJob.run(
            Fixture.squeeze(spark),
            fixture.settings(
                "emb/shapes", "quantizer.type = none, output.experiment-name = baseline"));
    String checkpoint = TrainJob.run(Fixture.squeeze(spark), settings);
    new EvaluateJob(
            Fixture.squeeze(spark),
            new EvaluateJob.Request(checkpoint, baseline, null, "test", null))
        .score();
    HadoopStorage storage = Sessions.storage(spark);
    for (Map.Entry<String, String> codec : codecs.entrySet()) {
      String target = folder + "/codes/" + codec.getKey();
      TrainedQuantizer encoder = TrainedQuantizer.open(storage, target, checkpoint, null);
      new EncodeJob(Fixture.squeeze(spark), embeddings, encoder, codec.getValue()).run();
    }
    return new Walk(folder, checkpoint);
  }
}
