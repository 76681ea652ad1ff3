package io.squeeze.jobs.grid;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.grid.GridPlan.Run;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.run.Summary;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.jobs.train.ShardPool;
import io.squeeze.jobs.train.TrainJob;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;

/** Trainings with a head over one extraction, measured on a split. */
public final class PhotoRuns implements GridRuns {
  private final SqueezeSession session;
  private final String split;
  private final ShardPool pool = new ShardPool();

  /** Runs that are ranked by a split. */
  public PhotoRuns(SqueezeSession session, String split) {
    this.session = session;
    this.split = split;
  }

  @Override
  public Measured measured() {
    return Measured.PHOTOS;
  }

  @Override
  public String rankedBy() {
    return split;
  }

  @Override
  public Settings settings(Settings grid) {
    return grid.with("embeddings", grid.embeddingsPath());
  }

  /** Extracts what is missing before several runs would. */
  @Override
  public void prepare(Collection<Settings> runs) throws IOException {
    Set<String> seen = new LinkedHashSet<>();
    for (Settings settings : runs) {
      String path = settings.embeddingsPath();
      if (seen.add(path)) {
        Manifest manifest = TrainJob.embeddings(session, settings).manifest();
        if (!SplitAssigner.names(manifest).contains(split)) {
          throw SqueezeException.usage(
              "No split %s in %s (--rank_by): there are %s"
                  .formatted(split, path, String.join(", ", SplitAssigner.names(manifest))));
        }
      }
    }
  }

  @Override
  public Outcome done(SqueezeSession own, Run run, Settings settings) throws IOException {
    HadoopStorage storage = session.storage();
    String path = TrainJob.run(own, settings, pool);
    RunFolder folder = RunFolder.of(storage, path);
    Checkpoint last = Checkpoint.read(storage, path);
    // A copy of our own: anybody may evaluate another checkpoint of the run later on.
    String copy = Storage.join(folder.evaluation(split), "grid.json");
    Summary found;
    if (storage.exists(copy)) {
      found = Summary.parse(storage.text(copy), copy);
    } else {
      found = new EvaluateJob(own, EvaluateJob.Request.of(path, split)).score();
      storage.replace(copy, found.json());
    }
    Optional<Double> valIou =
        folder
            .metrics(last.epoch())
            .filter(m -> m.has("val/iou"))
            .map(m -> m.get("val/iou").asDouble());
    return new Outcome(
        run,
        null,
        Measured.of(found, valIou.orElse(null)),
        last.epoch(),
        settings.output().runFolder());
  }

  @Override
  public void close() {
    pool.close();
  }
}
