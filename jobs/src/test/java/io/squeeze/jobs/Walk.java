package io.squeeze.jobs;

import io.squeeze.config.Settings;
import io.squeeze.jobs.encode.EncodeJob;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.train.TrainJob;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.apache.commons.io.FileUtils;

/**
 * A small walk: embeddings of 36 photos, once more as half floats, a baseline, a residual quantizer
 * of three levels of twelve codes, its evaluation, and its codes as arrays and entropy coded.
 *
 * @param folder holds {@code emb/shapes}, {@code emb/half}, {@code outputs}, {@code codes/array}
 *     and {@code codes/entropy}
 * @param checkpoint of the quantizer
 * @param baseline checkpoint of the same head on unquantized features
 */
public record Walk(Fixture fixture, Path folder, String checkpoint, String baseline) {
  /** How many photos there are; a third of them is the test split. */
  public static final int PHOTOS = 36;

  private static final String QUANTIZED =
      """
      quantizer { type = rvq, num-quantizers = 3, codebook-size = 12 }
      track { tensorboard = true, picture-every = 1 }
      """;

  static Walk below(Path folder, SqueezeSession session) throws IOException {
    Fixture fixture = new Fixture(folder, PHOTOS);
    Settings settings = fixture.settings("emb/shapes", QUANTIZED);
    String embeddings = new ExtractJob(session, settings).run().path();
    new ExtractJob(session, fixture.settings("emb/half", "extract.embedding-dtype = float16"))
        .run();
    TrainJob.run(
        session,
        fixture.settings("emb/shapes", "quantizer.type = none, output.experiment-name = baseline"));
    TrainJob.run(session, settings);
    Walk walk = at(folder);
    String checkpoint = walk.checkpoint();
    new EvaluateJob(
            session, new EvaluateJob.Request(checkpoint, walk.baseline(), null, "test", null))
        .score();
    for (String codec : List.of(Coding.ARRAY, Coding.ENTROPY)) {
      TrainedQuantizer encoder =
          TrainedQuantizer.open(session.storage(), folder + "/codes/" + codec, checkpoint, null);
      new EncodeJob(session, embeddings, encoder, codec).run();
    }
    return walk;
  }

  /** The walk below a folder, where there is one. */
  static Walk at(Path folder) {
    String outputs = folder + "/outputs/";
    return new Walk(
        new Fixture(folder),
        folder,
        outputs + "vq_squeeze/last.ckpt",
        outputs + "baseline/last.ckpt");
  }

  /** Settings of the run of the quantizer, with more in HOCON over them. */
  public Settings settings(String more) {
    return fixture.settings("emb/shapes", QUANTIZED + more);
  }

  /**
   * A copy of the runs for a test that writes into them; gives the checkpoint of the quantizer in
   * it.
   */
  public String copyOfRuns(Path target) throws IOException {
    FileUtils.copyDirectory(folder.resolve("outputs").toFile(), target.toFile());
    return target + "/vq_squeeze/last.ckpt";
  }

  /** The embeddings' data set. */
  public String embeddings() {
    return folder + "/emb/shapes";
  }

  /** A data set of the codes. */
  public String codes(String codec) {
    return folder + "/codes/" + codec;
  }
}
