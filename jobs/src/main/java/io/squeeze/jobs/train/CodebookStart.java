package io.squeeze.jobs.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
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

/**
 * The first codebooks: k-means over projected vectors of the whole training set, chosen by hashed
 * sample id and position, about {@code quantizer.codebook.max-init-samples} of them. Each codebook
 * sees what those before it leave.
 */
final class CodebookStart {
  private final Settings settings;
  private final Batch.Layout layout;
  private final SqueezeModel model;
  private final Reporter reporter;

  CodebookStart(Settings settings, Batch.Layout layout, SqueezeModel model, Reporter reporter) {
    this.reporter = reporter;
    this.settings = settings;
    this.layout = layout;
    this.model = model;
  }

  /** Replaces the codebooks among the tensors. */
  void run(Shards shards, Map<String, HostTensor> tensors) {
    QuantizerSettings.Codebook options = settings.quantizer().codebook();
    List<EmaCodebook> codebooks = model.quantizer().codebooks();
    int positions = layout.height() * layout.width();
    double vectors = (double) shards.count() * positions;
    double batchVectors =
        (double) Math.min(settings.train().batchSize(), shards.count()) * positions;
    for (int i = 0; i < codebooks.size(); i++) {
      EmaCodebook codebook = codebooks.get(i);
      double share = options.initSamples(codebook.codes()) / vectors;
      Sampler sampler = new Sampler(model, layout, settings.seed(), i, share);
      Broadcast<Map<String, HostTensor>> start =
          JavaSparkContext.fromSparkContext(shards.examples().context()).broadcast(tensors);
      JavaRDD<VectorBlock> blocks =
          Stages.computing(
              shards.examples().mapPartitions(rows -> sampler.sample(rows, start.value())));
      try (SparkPoints points = new SparkPoints(blocks, codebook.width())) {
        long count = points.count();
        if (count == 0) {
          throw SqueezeException.configuration(
              "None of the vectors was drawn for k-means: raise --max_init_samples ("
                  + options.maxInitSamples()
                  + ")");
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

  /** Quantizes each sample by itself, so that its vectors do not depend on its neighbours. */
  private record Sampler(
      SqueezeModel model, Batch.Layout layout, long seed, int codebook, double share)
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
        NDArray searched = model.searched(batch.features(), parameters).get(codebook);
        float[] values = Torch.tensor(searched).floats();
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
