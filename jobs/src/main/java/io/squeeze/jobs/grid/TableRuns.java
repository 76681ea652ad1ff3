package io.squeeze.jobs.grid;

import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.evaluate.EvaluateVectorsJob;
import io.squeeze.jobs.fit.VectorFit;
import io.squeeze.jobs.grid.GridPlan.Run;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.run.VectorSummary;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.jobs.train.FitVectorsJob;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.Collection;

/** Fits to the vectors of a table, measured on those of another one or the same. */
public final class TableRuns implements GridRuns {
  private final SqueezeSession session;
  private final VectorTable fitted;
  private final VectorTable measured;

  /**
   * Runs that are ranked by what they lose of a table.
   *
   * @throws SqueezeException of category input if vectors of the tables differ in length
   */
  public TableRuns(SqueezeSession session, VectorTable fitted, VectorTable measured) {
    this.session = session;
    this.fitted = fitted;
    this.measured = measured;
    if (fitted.channels() != measured.channels()) {
      throw SqueezeException.input(
          "The vectors of %s have %d values, those of %s %d (--rank_by)"
              .formatted(fitted.path(), fitted.channels(), measured.path(), measured.channels()));
    }
  }

  @Override
  public Measured measured() {
    return Measured.VECTORS;
  }

  @Override
  public String rankedBy() {
    return measured.path();
  }

  @Override
  public Settings settings(Settings grid) {
    return grid;
  }

  @Override
  public void prepare(Collection<Settings> runs) {
    if (fitted.path().equals(measured.path())) {
      session
          .reporter()
          .say("Runs are ranked by the vectors that they are fitted to (--rank_by names others)");
    }
  }

  @Override
  public Outcome done(SqueezeSession own, Run run, Settings settings) throws IOException {
    HadoopStorage storage = session.storage();
    String path = new FitVectorsJob(own, fitted, settings).run();
    // Of each table that the grid was ranked by.
    String copy =
        Storage.join(
            RunFolder.of(storage, path).evaluation(VectorSummary.EVALUATION),
            "grid_%016x.json".formatted(Seeds.hash(0, "rank by", measured.content())));
    VectorSummary found;
    if (storage.exists(copy)) {
      found = VectorSummary.parse(storage.text(copy), copy);
    } else {
      found = new EvaluateVectorsJob(own, measured, path, null).score();
      storage.replace(copy, found.json());
    }
    double bits =
        VectorFit.storedBits(
            Checkpoint.read(storage, path).settings().quantizer(), found.bitsPerVector());
    return new Outcome(run, null, Measured.of(found, bits), 1, settings.output().runFolder());
  }

  @Override
  public void close() {
    // Nothing is held between runs.
  }
}
