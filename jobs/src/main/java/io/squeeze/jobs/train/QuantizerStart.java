package io.squeeze.jobs.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.fit.PrincipalAxes;
import io.squeeze.jobs.fit.SparkPoints;
import io.squeeze.jobs.spark.Stages;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.quantize.EmaCodebook;
import io.squeeze.quantize.KMeans;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Example;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.storage.StorageLevel;

/**
 * The first projections and codebooks, from vectors of the whole training set, chosen by hashed
 * sample id and position. The projections are onto principal components and back. K-means over
 * projected vectors, about {@code quantizer.codebook.max-init-samples} of them, finds the
 * codebooks; each sees what those before it leave.
 */
final class QuantizerStart {
  /** Most vectors that principal components are computed from, if they have few values ... */
  private static final int SPREAD_VECTORS = 10_000;

  /** ... and for each value of a vector, if they have many. */
  private static final int SPREAD_VECTORS_OF_VALUE = 4;

  /** Most tasks that make sums of [C, C] of them. */
  private static final int SPREAD_TASKS = 4;

  private final Settings settings;
  private final Batch.Layout layout;
  private final SqueezeModel model;
  private final Reporter reporter;

  QuantizerStart(Settings settings, Batch.Layout layout, SqueezeModel model, Reporter reporter) {
    this.reporter = reporter;
    this.settings = settings;
    this.layout = layout;
    this.model = model;
  }

  /** Replaces projections and codebooks among the tensors. */
  void run(Shards shards, Map<String, HostTensor> tensors) {
    List<EmaCodebook> codebooks = model.quantizer().codebooks();
    // fsq and lfq learn what to round: they lose by it.
    if (!codebooks.isEmpty()
        && settings.quantizer().startsPrincipal()
        && PrincipalAxes.begins(tensors)) {
      project(shards, tensors);
    }
    QuantizerSettings.Codebook options = settings.quantizer().codebook();
    int positions = layout.height() * layout.width();
    double batchVectors =
        (double) Math.min(settings.train().batchSize(), shards.count()) * positions;
    for (int i = 0; i < codebooks.size(); i++) {
      EmaCodebook codebook = codebooks.get(i);
      int level = i;
      SqueezeModel sees = model;
      Seen seen = (features, parameters) -> sees.searched(features, parameters).get(level);
      Broadcast<Map<String, HostTensor>> start = sent(shards, tensors);
      try (SparkPoints points =
          new SparkPoints(
              sample(shards, options.initSamples(codebook.codes()), seen, start),
              codebook.width())) {
        long count = points.count();
        if (count == 0) {
          throw SqueezeException.configuration(
              "None of the vectors was drawn for k-means: raise --max_init_samples (%s)"
                  .formatted(options.maxInitSamples()));
        }
        reporter.say(
            "k-means: %s codes%s from %s vectors"
                .formatted(
                    codebook.codes(),
                    codebooks.size() == 1 ? "" : " of codebook " + (i + 1),
                    count));
        KMeans kMeans = codebook.kMeans(settings.seed() + i);
        codebook.start(tensors, kMeans.run(points, codebook.codes()), batchVectors);
      }
      start.destroy();
    }
  }

  private void project(Shards shards, Map<String, HostTensor> tensors) {
    Broadcast<Map<String, HostTensor>> start = sent(shards, tensors);
    long most = Math.max(SPREAD_VECTORS, SPREAD_VECTORS_OF_VALUE * layout.channels());
    JavaRDD<VectorBlock> blocks =
        sample(shards, most, model::vectors, start).persist(StorageLevel.MEMORY_AND_DISK());
    try {
      long count = blocks.map(block -> (long) block.keys().length).fold(0L, Long::sum);
      if (count == 0) {
        // Too few photos for even one: the drawn projections stay.
        return;
      }
      reporter.say(
          "Projections: principal components of %s vectors (quantizer.projection-start)"
              .formatted(count));
      Tasks.startOnCpu();
      PrincipalAxes.begin(
          model.quantizer(), blocks.coalesce(SPREAD_TASKS), count, layout.channels(), tensors);
    } finally {
      blocks.unpersist();
      start.destroy();
    }
  }

  private static Broadcast<Map<String, HostTensor>> sent(
      Shards shards, Map<String, HostTensor> tensors) {
    return JavaSparkContext.fromSparkContext(shards.examples().context()).broadcast(tensors);
  }

  private JavaRDD<VectorBlock> sample(
      Shards shards, long most, Seen seen, Broadcast<Map<String, HostTensor>> start) {
    double vectors = (double) shards.count() * layout.height() * layout.width();
    Sampler sampler = new Sampler(seen, layout, settings.seed(), most / vectors);
    return Stages.computing(
        shards.examples().mapPartitions(rows -> sampler.sample(rows, start.value())));
  }

  /** Vectors of features [B, C, h, w], row-major. */
  private interface Seen extends Serializable {
    NDArray of(NDArray features, Parameters parameters);
  }

  /** Quantizes each sample by itself, so that its vectors do not depend on its neighbours. */
  private record Sampler(Seen seen, Batch.Layout layout, long seed, double share)
      implements Serializable {
    private static final int BLOCK = 4096;

    Iterator<VectorBlock> sample(Iterator<Example> rows, Map<String, HostTensor> tensors) {
      List<VectorBlock> blocks = new ArrayList<>();
      List<Keyed> chosen = new ArrayList<>();
      try (NDManager manager = Torch.manager(Tasks.start());
          Parameters parameters = new Parameters(manager, tensors)) {
        while (rows.hasNext()) {
          choose(rows.next(), manager, parameters, chosen);
          if (chosen.size() >= BLOCK) {
            blocks.add(VectorBlock.of(chosen));
            chosen.clear();
          }
        }
        if (!chosen.isEmpty()) {
          blocks.add(VectorBlock.of(chosen));
        }
      }
      return blocks.iterator();
    }

    private void choose(
        Example example, NDManager manager, Parameters parameters, List<Keyed> chosen) {
      long[] keys = new long[layout.height() * layout.width()];
      Arrays.setAll(keys, p -> Seeds.hash(seed, "k-means " + p, example.id()));
      if (Arrays.stream(keys).noneMatch(this::takes)) {
        return;
      }
      try (NDManager scope = manager.newSubManager()) {
        Batch batch = Batch.of(scope, List.of(example), layout);
        float[] values = Torch.tensor(seen.of(batch.features(), parameters)).floats();
        int width = values.length / keys.length;
        for (int p = 0; p < keys.length; p++) {
          if (takes(keys[p])) {
            float[] vector = Arrays.copyOfRange(values, p * width, (p + 1) * width);
            chosen.add(new Keyed(keys[p], vector));
          }
        }
      }
    }

    private boolean takes(long key) {
      return Seeds.takes(key, share);
    }
  }
}
