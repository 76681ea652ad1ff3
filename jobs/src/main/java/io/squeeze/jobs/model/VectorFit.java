package io.squeeze.jobs.model;

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
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.ModelState;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;
import org.apache.spark.api.java.JavaRDD;
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

  /** Most bytes of vectors that one task holds; more are passed over where they lie. */
  private static final long HELD = 256L << 20;

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
      HostTensor weight = quantizer.initial(seed).get(IN + ".weight");
      if (weight != null && weight.shape()[0] > channels) {
        throw SqueezeException.configuration(
            "Vectors of %s values have no %s components (--bottleneck_dim)"
                .formatted(channels, weight.shape()[0]));
      }
      Fit fit = new Fit(quantizer, channels, seed);
      int codebooks = quantizer.codebooks().size();
      Fitted fitted;
      if (4 * count * channels <= HELD) {
        reporter.say("k-means: %s codebooks from %s vectors".formatted(codebooks, count));
        fitted =
            sample
                .coalesce(1)
                .mapPartitions(
                    blocks -> {
                      Tasks.startOnCpu();
                      List<VectorBlock> held = new ArrayList<>();
                      blocks.forEachRemaining(held::add);
                      return List.of(fit.to(new HeldVectors(held), i -> {})).iterator();
                    })
                .first();
      } else {
        Tasks.startOnCpu();
        fitted =
            fit.to(
                new SpreadVectors(sample, count),
                i ->
                    reporter.say(
                        "k-means: codebook %s of %s from %s vectors"
                            .formatted(i + 1, codebooks, count)));
      }
      usage.addAll(fitted.usage());
      return fitted.tensors();
    } finally {
      sample.unpersist();
    }
  }

  /** What a fit gives: tensors, and how often each code of each codebook is the nearest one. */
  record Fitted(Map<String, HostTensor> tensors, List<CodeUsage> usage) implements Serializable {}

  /** The steps of a fit, wherever the vectors are. */
  record Fit(Quantizer quantizer, int channels, long seed) implements Serializable {

    Fitted to(FitVectors vectors, IntConsumer begins) {
      Map<String, HostTensor> tensors = quantizer.initial(seed);
      float[] centre = centre(vectors.sum(channels));
      tensors.put(Quantizer.CENTRE, HostTensor.of(centre, channels));
      project(vectors, centre, tensors);
      List<CodeUsage> usage = new ArrayList<>();
      for (int i = 0; i < quantizer.codebooks().size(); i++) {
        begins.accept(i);
        EmaCodebook codebook = quantizer.codebooks().get(i);
        KMeans kMeans = codebook.kMeans(seed + i);
        vectors.searched(
            quantizer,
            i,
            tensors,
            points -> {
              KMeans.Result result = kMeans.run(points, codebook.codes());
              usage.add(new CodeUsage(result.counts()));
              codebook.start(tensors, result, (double) vectors.count());
            });
      }
      return new Fitted(tensors, usage);
    }

    /** The mean of the vectors. */
    private float[] centre(CodebookStatistics sums) {
      float[] centre = new float[channels];
      for (int j = 0; j < channels; j++) {
        centre[j] = (float) (sums.sum(0, j) / sums.count(0));
      }
      return centre;
    }

    /** Principal components to the bottleneck and back, where both are plain linear layers. */
    private void project(FitVectors vectors, float[] centre, Map<String, HostTensor> tensors) {
      HostTensor weight = tensors.get(IN + ".weight");
      if (weight == null || !tensors.containsKey(OUT + ".weight")) {
        return;
      }
      int width = (int) weight.shape()[0];
      CovarianceAccumulator.Components components = vectors.scatter(centre).components(width);
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
  }

  /** Rows of a block of a fit, among which the nearest centroids are searched at a time. */
  static final int FIT_ROWS = 4096;

  /** Rows that quantize at a time: a row's last bit depends on the shape of its block. */
  public static final int BLOCK = 256;

  /** Vectors [n, C] filled up with zeros to [256, C]. */
  public static NDArray rows(NDManager manager, float[] values, int width) {
    return Torch.floats(
        manager, new Shape(BLOCK, width), b -> b.put(values).put(new float[b.remaining()]));
  }
}
