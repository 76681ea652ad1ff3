package io.squeeze.jobs.train;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.quantize.KMeans;
import io.squeeze.quantize.VectorQuantizer;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Example;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;

/**
 * The first codebook: k-means over projected vectors of the whole training set, chosen by hashed
 * sample id and position, at most {@code quantizer.max-init-samples} of them.
 */
final class CodebookStart {
  private final Settings settings;
  private final Batch.Layout layout;
  private final VectorQuantizer quantizer;

  CodebookStart(Settings settings, Batch.Layout layout, VectorQuantizer quantizer) {
    this.settings = settings;
    this.layout = layout;
    this.quantizer = quantizer;
  }

  /** A projected vector and the hash that chose it. */
  private record Chosen(long hash, float[] vector) implements Serializable {}

  /** Replaces the codebook among the tensors. */
  void run(Shards shards, Map<String, HostTensor> tensors) {
    int positions = layout.height() * layout.width();
    int most = settings.quantizer().maxInitSamples();
    double share = (double) most / ((double) shards.count() * positions);
    Sampler sampler = new Sampler(quantizer, layout, settings.seed(), share);
    JavaSparkContext context = JavaSparkContext.fromSparkContext(shards.examples().context());
    Broadcast<Map<String, HostTensor>> start = context.broadcast(tensors);
    List<Chosen> chosen =
        new ArrayList<>(
            shards.examples().mapPartitions(rows -> sampler.sample(rows, start.value())).collect());
    start.destroy();
    chosen.sort(
        Comparator.comparingLong(Chosen::hash).thenComparing(Chosen::vector, Arrays::compare));
    int count = Math.min(most, chosen.size());
    int width = settings.quantizer().bottleneckDim();
    float[] vectors = new float[count * width];
    for (int i = 0; i < count; i++) {
      System.arraycopy(chosen.get(i).vector(), 0, vectors, i * width, width);
    }
    Console.say(
        "k-means: " + settings.quantizer().codebookSize() + " codes from " + count + " vectors");
    Tasks.start();
    KMeans means = new KMeans(settings.quantizer().kmeansIterations(), settings.seed());
    long batchVectors = Math.min(settings.train().batchSize(), shards.count()) * positions;
    quantizer.start(
        tensors, means.run(vectors, width, settings.quantizer().codebookSize()), batchVectors);
  }

  /** Projects each sample by itself, so that its vectors do not depend on its neighbours. */
  private record Sampler(VectorQuantizer quantizer, Batch.Layout layout, long seed, double share)
      implements Serializable {

    Iterator<Chosen> sample(Iterator<Example> rows, Map<String, HostTensor> tensors) {
      Device device = Tasks.start();
      List<Chosen> chosen = new ArrayList<>();
      try (NDManager manager = Torch.manager(device);
          Parameters parameters = new Parameters(manager, tensors)) {
        while (rows.hasNext()) {
          Example example = rows.next();
          try (NDManager scope = manager.newSubManager()) {
            Batch batch = Batch.of(scope, List.of(example), layout);
            float[] projected =
                Torch.tensor(quantizer.project(batch.features(), parameters)).floats();
            int width = projected.length / (layout.height() * layout.width());
            for (int p = 0; p * width < projected.length; p++) {
              long hash = Seeds.hash(seed, "k-means " + p, example.id());
              if ((hash >>> 1) < share * Long.MAX_VALUE) {
                float[] vector = Arrays.copyOfRange(projected, p * width, (p + 1) * width);
                chosen.add(new Chosen(hash, vector));
              }
            }
          }
        }
      }
      return chosen.iterator();
    }
  }
}
