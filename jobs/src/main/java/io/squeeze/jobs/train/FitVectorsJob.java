package io.squeeze.jobs.train;

import io.squeeze.config.Settings;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.fit.Candidates.Candidate;
import io.squeeze.jobs.fit.VectorFit;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.metric.CodebookHealth;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;

/** A table of vectors to a checkpoint: a quantizer that reconstructs them, without a head. */
public final class FitVectorsJob {
  private final VectorTable table;
  private final Settings settings;
  private final RunFolder folder;
  private final Reporter reporter;

  /** A job that fits the quantizer of the settings. */
  public FitVectorsJob(SqueezeSession session, VectorTable table, Settings settings) {
    this.table = table;
    this.settings = VectorFit.headless(settings);
    this.folder = new RunFolder(session.storage(), settings.output().runFolder());
    this.reporter = session.reporter();
  }

  /** Fits, or finds that this run is finished; the path of the checkpoint. */
  public String run() throws IOException {
    table.check("a fit", settings, table.channels());
    String source = table.content();
    if (folder.left(reporter, settings, source, VectorFit.NO_BACKBONE).isPresent()) {
      reporter.say("Fitted already: " + folder.path(RunFolder.LAST) + ", nothing to do");
      return folder.path(RunFolder.LAST);
    }
    folder.locked(
        () -> {
          fit(source);
          return null;
        });
    return folder.path(RunFolder.LAST);
  }

  private void fit(String source) throws IOException {
    VectorFit fit = new VectorFit(settings, table.channels(), reporter);
    reporter.say(
        "Fitting %s to %s values a vector, %s"
            .formatted(settings.quantizer().type(), table.channels(), source));
    folder.begin(settings.with("embeddings", source));
    double share = fit.share(table.count());
    long seed = settings.seed();
    VectorColumn column = table.column();
    JavaRDD<VectorBlock> sample = column.blocks(table.rows(), seed, share);
    fit.fit(
        sample,
        taken ->
            column.inOrder(
                table.rows(), key -> VectorFit.takes(seed, key, share) && taken.test(key)));
    Checkpoint checkpoint = fit.checkpoint();
    Integer width = checkpoint.settings().quantizer().bottleneckDim();
    reporter.say(
        width == 0
            ? "No projection (--bottleneck_dim none)"
            : "Projection: %s of %s components, which keep %.1f %% of the variance"
                .formatted(Math.min(width, table.channels()), table.channels(), 100 * fit.kept()));
    Map<String, Object> metrics = new LinkedHashMap<>();
    metrics.put("epoch", 1);
    for (Candidate candidate : fit.candidates()) {
      metrics.put("candidate/" + candidate.type() + "/error", candidate.error());
      metrics.put("candidate/" + candidate.type() + "/recall_at_10", candidate.recall());
    }
    new CodebookHealth(fit.usage(), new double[0], 0)
        .metrics(1, false)
        .forEach((name, value) -> metrics.put("train/" + name, value));
    folder.addMetrics(metrics);
    folder.saveBest(checkpoint);
    folder.saveLast(checkpoint, 0);
  }
}
