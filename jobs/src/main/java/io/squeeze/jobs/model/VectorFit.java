package io.squeeze.jobs.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.metric.CodeUsage;
import io.squeeze.quantize.CodebookStatistics;
import io.squeeze.quantize.CovarianceAccumulator;
import io.squeeze.quantize.EmaCodebook;
import io.squeeze.quantize.KMeans;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.ModelState;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.storage.StorageLevel;

/**
 * Fits a quantizer to vectors without gradients: the projections are the principal components of
 * the vectors. K-means finds the codebooks, one after the other, each from the residual of those
 * before. All sums are exact and all draws depend on the keys, so the result does not depend on how
 * the vectors are split or ordered.
 */
public final class VectorFit {
  private static final String IN = "quantizer.project_in";
  private static final String OUT = "quantizer.project_out";

  /** Stands where a backbone's digest would. */
  public static final String NO_BACKBONE = "none";

  private final Quantizer quantizer;
  private final Settings run;
  private final QuantizerSettings settings;
  private final int channels;
  private final long seed;
  private final Reporter reporter;
  private final List<CodeUsage> usage = new ArrayList<>();

  /** For vectors of {@code channels} values. */
  public VectorFit(Settings given, int channels, Reporter reporter) {
    this.run = headless(given);
    this.settings = run.quantizer();
    this.channels = channels;
    this.seed = run.seed();
    this.reporter = reporter;
    this.quantizer = Quantizer.of(settings, channels);
    if (quantizer.codebooks().isEmpty()) {
      throw SqueezeException.configuration(
          settings.type()
              + " has no codebook that k-means could fit (--quantizer_type): take vq, rvq or pq");
    }
    if (settings.cosine() || settings.residual().sharedCodebook()) {
      throw SqueezeException.configuration(
          "quantizer.cosine and quantizer.rvq.shared-codebook are for training by gradients: a fit"
              + " to vectors keeps lengths, and a codebook for each level");
    }
  }

  /** How often each code of each codebook is the nearest one, over the vectors of the fit. */
  public List<CodeUsage> usage() {
    return usage;
  }

  /** The checkpoint of a quantizer without a head: a vector is a grid of 1 x 1. */
  public Checkpoint checkpoint(Map<String, HostTensor> tensors) {
    SqueezeModel model = new SqueezeModel(run, channels, 0);
    return new Checkpoint(
        ModelState.start(model, run.train().optimizer(), tensors),
        Checkpoint.Config.of(run),
        new Batch.Layout(channels, 1, 1, 1),
        List.of(),
        List.of(),
        NO_BACKBONE,
        1,
        new Checkpoint.Progress(Double.NaN, 1, true));
  }

  /** Settings of a fit: no head, one pass, and vectors less their mean. */
  public static Settings headless(Settings settings) {
    return settings
        .with("train.head", "none")
        .with("train.epochs", "1")
        .with("quantizer.centred", "true");
  }

  /** The share of about {@code count} vectors that the fit uses. The key of a vector decides. */
  public double share(long count) {
    int codes = quantizer.codebooks().get(0).codes();
    return (double) settings.codebook().initSamples(codes) / count;
  }

  /** Whether a vector of this key is looked at. */
  public static boolean takes(long seed, long key, double share) {
    return Seeds.takes(Seeds.hash(seed ^ key, "fit", ""), share);
  }

  /** The quantizer's tensors. */
  public Map<String, HostTensor> fit(JavaRDD<VectorBlock> vectors) {
    JavaRDD<VectorBlock> sample = vectors.persist(StorageLevel.MEMORY_AND_DISK());
    try {
      long count = sample.map(block -> (long) block.keys().length).fold(0L, Long::sum);
      if (count == 0) {
        throw SqueezeException.input(
            "There are no vectors to fit a quantizer to: the table is empty, or none was drawn"
                + " (--max_init_samples; ids must differ)");
      }
      Map<String, HostTensor> tensors = quantizer.initial(seed);
      float[] centre = centre(sample);
      tensors.put(Quantizer.CENTRE, HostTensor.of(centre, channels));
      project(sample, count, centre, tensors);
      List<EmaCodebook> codebooks = quantizer.codebooks();
      for (int i = 0; i < codebooks.size(); i++) {
        reporter.say(
            "k-means: codebook %s of %s from %s vectors".formatted(i + 1, codebooks.size(), count));
        means(sample, i, count, tensors);
      }
      return tensors;
    } finally {
      sample.unpersist();
    }
  }

  /** Principal components to the bottleneck and back, where both are plain linear layers. */
  private void project(
      JavaRDD<VectorBlock> sample, long count, float[] centre, Map<String, HostTensor> tensors) {
    HostTensor weight = tensors.get(IN + ".weight");
    if (weight == null || !tensors.containsKey(OUT + ".weight")) {
      return;
    }
    int width = (int) weight.shape()[0];
    if (width > channels) {
      throw SqueezeException.configuration(
          "Vectors of " + channels + " values have no " + width + " components (--bottleneck_dim)");
    }
    double largest =
        sample.map(block -> CovarianceAccumulator.largest(block, centre)).fold(0.0, Math::max);
    CovarianceAccumulator scatter =
        sample
            .mapPartitions(
                blocks -> {
                  if (!blocks.hasNext()) {
                    return List.<CovarianceAccumulator>of().iterator();
                  }
                  Tasks.startOnCpu();
                  CovarianceAccumulator sum = new CovarianceAccumulator(centre, largest, count);
                  blocks.forEachRemaining(sum::add);
                  return List.of(sum).iterator();
                })
            .treeReduce(CovarianceAccumulator::merge);
    Tasks.startOnCpu();
    CovarianceAccumulator.Components components = scatter.components(width);
    float[] axes = components.axes();
    float[] back = new float[axes.length];
    float[] bias = new float[width];
    for (int i = 0; i < width; i++) {
      double along = 0;
      for (int j = 0; j < channels; j++) {
        back[j * width + i] = axes[i * channels + j];
        along += (double) axes[i * channels + j] * components.mean()[j];
      }
      bias[i] = (float) -along;
    }
    tensors.put(IN + ".weight", HostTensor.of(axes, width, channels));
    tensors.put(IN + ".bias", HostTensor.of(bias, width));
    tensors.put(OUT + ".weight", HostTensor.of(back, channels, width));
    tensors.put(OUT + ".bias", HostTensor.of(components.mean(), channels));
  }

  /** The mean of the vectors. */
  private float[] centre(JavaRDD<VectorBlock> sample) {
    double largest = sample.map(VectorBlock::largest).fold(0.0, Math::max);
    int exponent = CodebookStatistics.exponent(largest);
    int width = channels;
    CodebookStatistics sums =
        sample
            .map(block -> block.sum(new CodebookStatistics(1, width, exponent)))
            .treeReduce(CodebookStatistics::merge);
    float[] centre = new float[width];
    for (int j = 0; j < width; j++) {
      centre[j] = (float) (sums.sum(0, j) / sums.count(0));
    }
    return centre;
  }

  private void means(
      JavaRDD<VectorBlock> sample, int index, long count, Map<String, HostTensor> tensors) {
    EmaCodebook codebook = quantizer.codebooks().get(index);
    Broadcast<Map<String, HostTensor>> sent =
        JavaSparkContext.fromSparkContext(sample.context()).broadcast(tensors);
    Quantizer own = quantizer;
    JavaRDD<VectorBlock> searched =
        sample.mapPartitions(blocks -> searched(own, index, blocks, sent.value()));
    try (SparkPoints points = new SparkPoints(searched, codebook.width())) {
      KMeans.Result result = codebook.kMeans(seed + index).run(points, codebook.codes());
      usage.add(new CodeUsage(result.counts()));
      codebook.start(tensors, result, (double) count);
    } finally {
      sent.destroy();
    }
  }

  /** What a codebook sees of vectors, in blocks of one shape. */
  private static Iterator<VectorBlock> searched(
      Quantizer quantizer, int index, Iterator<VectorBlock> blocks, Map<String, HostTensor> all) {
    if (!blocks.hasNext()) {
      return List.<VectorBlock>of().iterator();
    }
    Tasks.startOnCpu();
    List<VectorBlock> found = new ArrayList<>();
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, all)) {
      while (blocks.hasNext()) {
        VectorBlock block = blocks.next();
        try (NDManager scope = manager.newSubManager()) {
          NDArray rows = rows(scope, block.values(), block.width());
          float[] values = Torch.tensor(quantizer.searched(rows, parameters).get(index)).floats();
          int width = values.length / (int) rows.getShape().get(0);
          found.add(
              new VectorBlock(
                  block.keys(), java.util.Arrays.copyOf(values, block.keys().length * width)));
        }
      }
    }
    return found.iterator();
  }

  /** Rows that quantize at a time: a row's last bit depends on the shape of its block. */
  public static final int BLOCK = 256;

  /** Vectors [n, C] filled up with zeros to [256, C]. */
  public static NDArray rows(NDManager manager, float[] values, int width) {
    return Torch.floats(
        manager, new Shape(BLOCK, width), b -> b.put(values).put(new float[b.remaining()]));
  }
}
