package io.squeeze.jobs.model;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.Serializable;
import java.util.List;
import java.util.Optional;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;

/**
 * A checkpoint, maybe one to compare it with, and the embeddings that both read.
 *
 * @param baseline null where there is none
 */
public record TrainedModels(Checkpoint checkpoint, Checkpoint baseline, Published embeddings) {

  /**
   * Opens them.
   *
   * @param baselinePath null for none
   * @param embeddingsPath null: those that the run of the checkpoint was started with
   * @throws SqueezeException of category input if something is missing or does not fit together
   */
  public static TrainedModels open(
      HadoopStorage storage,
      Reporter reporter,
      String checkpointPath,
      String baselinePath,
      String embeddingsPath)
      throws IOException {
    Checkpoint checkpoint = Checkpoint.read(storage, checkpointPath);
    warnUnfinished(reporter, checkpointPath, checkpoint);
    String path = embeddingsPath;
    if (path == null) {
      Optional<Settings> run = RunFolder.of(storage, checkpointPath).settings();
      path =
          run.orElseThrow(
                  () ->
                      SqueezeException.input(
                          "There is no config.json beside "
                              + checkpointPath
                              + " that says which embeddings it was trained on: set --embeddings"))
              .embeddingsPath();
    }
    Published embeddings = Versions.embeddings(storage, path);
    Checkpoint baseline = baselinePath == null ? null : Checkpoint.read(storage, baselinePath);
    check(checkpointPath, checkpoint, embeddings);
    warnOtherPhotos(storage, reporter, checkpointPath, embeddings);
    if (baseline != null) {
      warnUnfinished(reporter, baselinePath, baseline);
      check(baselinePath, baseline, embeddings);
      warnOtherPhotos(storage, reporter, baselinePath, embeddings);
      String type = baseline.settings().quantizer().type();
      if (!type.equals("none")) {
        throw SqueezeException.configuration(
            baselinePath
                + " quantizes ("
                + type
                + "): a baseline is trained by the command baseline");
      }
      if (!baseline.classNames().equals(checkpoint.classNames())) {
        throw SqueezeException.input(
            "%s knows the classes %s, %s %s"
                .formatted(
                    checkpointPath, checkpoint.classNames(), baselinePath, baseline.classNames()));
      }
    }
    return new TrainedModels(checkpoint, baseline, embeddings);
  }

  /** The same with another width of the beam that encodes; null leaves it. */
  public TrainedModels withBeam(String beam) {
    return new TrainedModels(checkpoint.withBeam(beam), baseline, embeddings);
  }

  private static void check(String path, Checkpoint checkpoint, Published embeddings) {
    check(path, checkpoint, embeddings.path(), embeddings.manifest().backbone().sha256());
  }

  /**
   * Refuses features of another backbone than the one that a checkpoint was trained on.
   *
   * @param path of the checkpoint
   * @param what the data that has these features, for the message
   * @param backbone digest of the backbone that made them
   * @throws SqueezeException of category input
   */
  public static void check(String path, Checkpoint checkpoint, String what, String backbone) {
    if (!checkpoint.backbone().equals(backbone)) {
      throw SqueezeException.input(
          "%s was trained on embeddings of the backbone %s, but %s is of %s"
              .formatted(path, checkpoint.backbone(), what, backbone));
    }
  }

  private static void warnOtherPhotos(
      HadoopStorage storage, Reporter reporter, String path, Published embeddings)
      throws IOException {
    List<String> other = RunPhotos.differences(storage, path, embeddings.manifest());
    if (!other.isEmpty()) {
      reporter.warn(
          "%s was trained on photos that were prepared in another way than those of %s (%s)"
              .formatted(path, embeddings.path(), String.join("; ", other)));
    }
  }

  private static void warnUnfinished(Reporter reporter, String path, Checkpoint checkpoint) {
    // A best checkpoint is often an earlier epoch's; the last one should be the last epoch's.
    if (!checkpoint.progress().finished() && path.endsWith(RunFolder.LAST)) {
      reporter.warn(
          "%s is of an unfinished run: epoch %s of %s"
              .formatted(path, checkpoint.epoch(), checkpoint.settings().train().epochs()));
    }
  }

  /** What a task needs of the models; {@code baseline} may be null. */
  public record Models(Checkpoint checkpoint, Checkpoint baseline) implements Serializable {}

  /** Sends the models to the executors, without what only training needs. */
  public Broadcast<Models> broadcast(SparkSession spark) {
    Checkpoint other = baseline == null ? null : baseline.forUse();
    return JavaSparkContext.fromSparkContext(spark.sparkContext())
        .broadcast(new Models(checkpoint.forUse(), other));
  }
}
