package io.squeeze.jobs.model;

import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.model.Candidates.Candidate;
import io.squeeze.jobs.model.FitVectors.Pass;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.metric.CodeUsage;
import io.squeeze.quantize.CodebookStatistics;
import io.squeeze.quantize.ComponentHistograms;
import io.squeeze.quantize.CovarianceAccumulator.Components;
import io.squeeze.quantize.EmaCodebook;
import io.squeeze.quantize.KMeans;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.QuantizerType;
import io.squeeze.quantize.Refit;
import io.squeeze.quantize.ScalarDesign;
import io.squeeze.quantize.ScalarQuantizer;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.quantize.WaterFilling;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.ModelState;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.IntStream;
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

  /** The type that stands for the best of several. */
  public static final String AUTO = "auto";

  /** Vectors on which several types are tried. */
  private static final int TRIED = 20_000;

  /** Codes of a level of a type that has no codebook before it is fitted. */
  private static final int LEVEL = 256;

  /**
   * Bytes that entropy coding and Parquet add to the entropy of a vector's codes: the last bits of
   * the arithmetic code, the rest of the last byte, and the length.
   */
  static final double CODING_BYTES = 1.3;

  /** Codes that rvq keeps open where the settings do not say. */
  private static final String BEAM = "8";

  /** How much of the rate counts as paying for components: vectors are not Gaussian. */
  private static final double GENEROUS = 2;

  /** A round that changes the error by a smaller share is the last one. */
  private static final double GAIN = 0.003;

  /** Stands where a backbone's digest would. */
  public static final String NO_BACKBONE = "none";

  private final int channels;
  private final Reporter reporter;
  private Settings run;
  private List<Candidate> candidates = List.of();
  private Fitted fitted;

  /** For vectors of {@code channels} values. */
  public VectorFit(Settings given, int channels, Reporter reporter) {
    this.channels = channels;
    this.reporter = reporter;
    this.run = headless(given);
    if (!isAuto()) {
      this.run = Rate.spent(run);
      check(run, channels);
    }
  }

  private boolean isAuto() {
    return run.quantizer().type().equals(AUTO);
  }

  /** Whether the codes have no fixed width: entropy coding is what makes them small. */
  public static boolean isScalar(QuantizerSettings settings) {
    return QuantizerType.named(settings.type()) instanceof ScalarQuantizer.Type;
  }

  private static void check(Settings run, int channels) {
    QuantizerSettings settings = run.quantizer();
    if (!isScalar(settings) && Fit.widest(run, channels).codebooks().isEmpty()) {
      throw SqueezeException.configuration(
          settings.type()
              + " has no codebook that k-means could fit (--quantizer_type): take vq, rvq, pq or"
              + " scalar");
    }
    if (settings.cosine() || settings.residual().sharedCodebook()) {
      throw SqueezeException.configuration(
          "quantizer.cosine and quantizer.rvq.shared-codebook are for training by gradients: a fit"
              + " to vectors keeps lengths, and a codebook for each level");
    }
    Integer width = settings.bottleneckDim();
    if (width != null && width > channels) {
      throw SqueezeException.configuration(
          "Vectors of %s values have no %s components (--bottleneck_dim)"
              .formatted(channels, width));
    }
  }

  /** How often each code of each codebook is the nearest one, over the vectors of the fit. */
  public List<CodeUsage> usage() {
    return fitted.usage();
  }

  /** What the types that were tried reach; empty where one was asked for. */
  public List<Candidate> candidates() {
    return candidates;
  }

  /** The share of the vectors' variance that the principal components keep. */
  public double kept() {
    return fitted.kept();
  }

  /** The checkpoint of a quantizer without a head: a vector is a grid of 1 x 1. */
  public Checkpoint checkpoint() {
    Settings found = fitted.settings();
    SqueezeModel model = new SqueezeModel(found, channels, 0);
    return new Checkpoint(
        ModelState.start(model, found.train().optimizer(), fitted.tensors()),
        Checkpoint.Config.of(found),
        new Batch.Layout(channels, 1, 1, 1),
        List.of(),
        List.of(),
        NO_BACKBONE,
        1,
        new Checkpoint.Progress(Double.NaN, 1, true));
  }

  /**
   * Settings of a fit: no head, one pass, vectors less their mean, a beam where it pays, and the
   * best type where bytes are all that is asked for.
   */
  public static Settings headless(Settings settings) {
    boolean rateAlone = settings.quantizer().bytes() != null && !settings.isGiven("quantizer.type");
    Settings fit =
        settings
            .with("train.head", "none")
            .with("train.epochs", "1")
            .with("quantizer.centred", "true");
    fit = rateAlone ? fit.with("quantizer.type", AUTO) : fit;
    return settings.quantizer().beam() == null ? fit.with("quantizer.beam", BEAM) : fit;
  }

  /** The share of about {@code count} vectors that the fit uses. The key of a vector decides. */
  public double share(long count) {
    int codes =
        isAuto() || isScalar(run.quantizer())
            ? LEVEL
            : Fit.widest(run, channels).codebooks().get(0).codes();
    return (double) run.quantizer().codebook().initSamples(codes) / count;
  }

  /** Whether a vector of this key is looked at. */
  public static boolean takes(long seed, long key, double share) {
    return Seeds.takes(Seeds.hash(seed ^ key, "fit", ""), share);
  }

  /** Fits the quantizer. */
  public void fit(JavaRDD<VectorBlock> vectors) {
    JavaRDD<VectorBlock> sample = vectors.persist(StorageLevel.MEMORY_AND_DISK());
    try {
      long count = sample.map(block -> (long) block.keys().length).fold(0L, Long::sum);
      if (count == 0) {
        throw SqueezeException.input(
            "There are no vectors to fit a quantizer to: the table is empty, or none was drawn"
                + " (--max_init_samples; ids must differ)");
      }
      if (isAuto()) {
        choose(sample, count);
      }
      Fit fit = new Fit(run, channels);
      if (4 * count * channels <= HELD) {
        reporter.say("Fitting %s to %s vectors".formatted(run.quantizer().type(), count));
        fitted =
            sample
                .coalesce(1)
                .mapPartitions(
                    blocks -> {
                      Tasks.startOnCpu();
                      List<VectorBlock> held = new ArrayList<>();
                      blocks.forEachRemaining(held::add);
                      return List.of(fit.to(new HeldVectors(held), line -> {})).iterator();
                    })
                .first();
      } else {
        Tasks.startOnCpu();
        fitted = fit.to(new SpreadVectors(sample, count), reporter::say);
      }
    } finally {
      sample.unpersist();
    }
  }

  /** Takes the type with the smallest error among those that the rate allows. */
  private void choose(JavaRDD<VectorBlock> sample, long count) {
    Settings open = run;
    int width = channels;
    double share = (double) TRIED / count;
    long seed = run.seed();
    candidates =
        sample
            .flatMap(block -> block.where(key -> takes(seed + 1, key, share)).stream().iterator())
            .coalesce(1)
            .mapPartitions(
                blocks -> {
                  Tasks.startOnCpu();
                  List<VectorBlock> held = new ArrayList<>();
                  blocks.forEachRemaining(held::add);
                  return Candidates.measured(open, width, held).iterator();
                })
            .collect();
    if (candidates.isEmpty()) {
      throw SqueezeException.input(
          "%s vectors are too few to compare types (--quantizer_type auto): name one"
              .formatted(count));
    }
    reporter.result(Candidate.HEADER);
    candidates.forEach(candidate -> reporter.result(candidate.line()));
    String best =
        candidates.stream().min(Comparator.comparingDouble(Candidate::error)).get().type();
    reporter.say("Taking " + best + ", which loses least");
    run = Rate.spent(run.with("quantizer.type", best));
    check(run, channels);
  }

  /**
   * What a fit gives.
   *
   * @param settings with what the fit chose
   * @param usage how often each code of each codebook was chosen
   * @param kept share of the variance that the projection keeps
   */
  record Fitted(
      Settings settings, Map<String, HostTensor> tensors, List<CodeUsage> usage, double kept)
      implements Serializable {}

  /** The steps of a fit, wherever the vectors are. */
  record Fit(Settings run, int channels) implements Serializable {

    /** The quantizer of the settings, as wide as it may be where they leave that open. */
    static Quantizer widest(Settings run, int channels) {
      QuantizerSettings asked = run.quantizer();
      String width = Integer.toString(widestOf(asked, channels));
      return Quantizer.of(
          asked.bottleneckDim() == null
              ? run.with("quantizer.bottleneck-dim", width).quantizer()
              : asked,
          channels);
    }

    /** The widest projection of vectors that a type takes. */
    private static int widestOf(QuantizerSettings settings, int channels) {
      int multiple = QuantizerType.named(settings.type()).widthMultiple(settings);
      return Math.max(multiple, channels / multiple * multiple);
    }

    Fitted to(FitVectors vectors, Consumer<String> progress) {
      float[] centre = centre(vectors.sum(channels));
      double largest = vectors.largest(centre);
      Components components =
          run.quantizer().projects() ? vectors.scatter(centre, largest).components() : null;
      if (isScalar(run.quantizer())) {
        return scalar(vectors, centre, largest, components, progress);
      }
      Settings chosen = components == null ? run : chosen(components.variances());
      Quantizer quantizer = Quantizer.of(chosen.quantizer(), channels);
      Map<String, HostTensor> tensors = quantizer.initial(chosen.seed());
      tensors.put(Quantizer.CENTRE, HostTensor.of(centre, channels));
      double kept = components == null ? 1 : project(quantizer, components, tensors);
      boolean refits =
          run.quantizer().codebook().refitRounds() > 0 && quantizer.refit().isPresent();
      List<CodeUsage> usage = codebooks(quantizer, vectors, tensors, progress);
      // Components are along orthogonal axes: none is longer than the vector.
      double most = largest * Math.sqrt(channels);
      if (refits) {
        usage = refitted(quantizer.refit().get(), quantizer, vectors, most, tensors, progress);
      }
      return new Fitted(chosen, tensors, usage, kept);
    }

    /** Points for each principal component, from their histograms alone. */
    private Fitted scalar(
        FitVectors vectors,
        float[] centre,
        double largest,
        Components components,
        Consumer<String> progress) {
      if (components == null) {
        throw SqueezeException.configuration(
            "scalar quantizes principal components: it takes no --bottleneck_dim none");
      }
      QuantizerSettings asked = run.quantizer();
      double bits = Math.max(1, Rate.bits(asked) - 8 * CODING_BYTES);
      double[] variances = components.variances();
      int width =
          asked.bottleneckDim() == null
              ? WaterFilling.of(variances, GENEROUS * bits).components(variances)
              : asked.bottleneckDim();
      double[] deviations =
          Arrays.stream(variances, 0, width).map(v -> Math.sqrt(Math.max(0, v))).toArray();
      Settings all = scalarOf(Collections.nCopies(width, 3));
      Quantizer located = Quantizer.of(all.quantizer(), channels);
      Map<String, HostTensor> tensors = located.initial(run.seed());
      tensors.put(Quantizer.CENTRE, HostTensor.of(centre, channels));
      project(located, components, tensors);
      ComponentHistograms histograms = new ComponentHistograms(deviations);
      progress.accept("scalar: histograms of %s components".formatted(width));
      ScalarDesign.Design design =
          new ScalarDesign(
                  histograms, vectors.sums(new Pass<>(histograms, located, largest), tensors))
              .of(bits);
      Settings chosen = scalarOf(design.levels());
      Quantizer quantizer = Quantizer.of(chosen.quantizer(), channels);
      Map<String, HostTensor> fitted = quantizer.initial(run.seed());
      fitted.put(Quantizer.CENTRE, HostTensor.of(centre, channels));
      double kept = project(quantizer, components, fitted);
      design.into(fitted);
      return new Fitted(
          chosen, fitted, Arrays.stream(design.chosen()).map(CodeUsage::new).toList(), kept);
    }

    private Settings scalarOf(List<Integer> levels) {
      return run.with("quantizer.scalar.levels", levels)
          .with("quantizer.bottleneck-dim", Integer.toString(levels.size()));
    }

    /** The settings with as many components as the rate pays for, where they leave that open. */
    private Settings chosen(double[] variances) {
      QuantizerSettings asked = run.quantizer();
      if (asked.bottleneckDim() != null) {
        return run;
      }
      double bits =
          Arrays.stream(widest(run, channels).codebookSizes())
              .mapToDouble(codes -> Math.log(codes) / Math.log(2))
              .sum();
      int needed = WaterFilling.of(variances, bits * GENEROUS).components(variances);
      int multiple = QuantizerType.named(asked.type()).widthMultiple(asked);
      int width =
          Math.min(widestOf(asked, channels), (needed + multiple - 1) / multiple * multiple);
      return run.with("quantizer.bottleneck-dim", Integer.toString(width));
    }

    /** K-means for one codebook after the other, each from what those before leave. */
    private List<CodeUsage> codebooks(
        Quantizer quantizer,
        FitVectors vectors,
        Map<String, HostTensor> tensors,
        Consumer<String> progress) {
      List<CodeUsage> usage = new ArrayList<>();
      int codebooks = quantizer.codebooks().size();
      for (int i = 0; i < codebooks; i++) {
        progress.accept(
            "k-means: codebook %s of %s from %s vectors"
                .formatted(i + 1, codebooks, vectors.count()));
        EmaCodebook codebook = quantizer.codebooks().get(i);
        KMeans kMeans = codebook.kMeans(run.seed() + i);
        vectors.searched(
            quantizer,
            i,
            tensors,
            points -> {
              KMeans.Result result = kMeans.run(points, codebook.codes());
              usage.add(new CodeUsage(result.counts()));
              KMeans.Result first =
                  quantizer.refit().map(refit -> refit.begin(result)).orElse(result);
              codebook.start(tensors, first, (double) vectors.count());
            });
      }
      return usage;
    }

    /** Rounds over all codebooks together, until one gains little; how often codes are chosen. */
    private <S extends Refit.Sums<S>> List<CodeUsage> refitted(
        Refit<S> refit,
        Quantizer quantizer,
        FitVectors vectors,
        double largest,
        Map<String, HostTensor> tensors,
        Consumer<String> progress) {
      Pass<S> pass = new Pass<>(refit, quantizer, largest);
      double before = Double.POSITIVE_INFINITY;
      for (int round = 0; ; round++) {
        S sums = vectors.sums(pass, tensors);
        double error = sums.error() / vectors.count();
        progress.accept("refit: round %s, error %.5g a vector".formatted(round, error));
        // The error may rise: codewords of few vectors are kept from following them.
        boolean little = Math.abs(before - error) <= GAIN * error;
        if (little || round == run.quantizer().codebook().refitRounds()) {
          return Arrays.stream(sums.counts()).map(CodeUsage::new).toList();
        }
        before = error;
        refit.improve(sums, tensors);
      }
    }

    /** The mean of the vectors. */
    private float[] centre(CodebookStatistics sums) {
      float[] centre = new float[channels];
      for (int j = 0; j < channels; j++) {
        centre[j] = (float) (sums.sum(0, j) / sums.count(0));
      }
      return centre;
    }

    /**
     * Principal components to the bottleneck and back, where both are plain linear layers; the
     * share of the variance that is kept.
     */
    private double project(
        Quantizer quantizer, Components components, Map<String, HostTensor> tensors) {
      HostTensor weight = tensors.get(IN + ".weight");
      if (weight == null || !tensors.containsKey(OUT + ".weight")) {
        return 1;
      }
      int width = (int) weight.shape()[0];
      double[] variances = Arrays.copyOf(components.variances(), width);
      int[] order =
          quantizer
              .refit()
              .map(refit -> refit.order(variances))
              .orElseGet(() -> IntStream.range(0, width).toArray());
      float[] axes = new float[width * channels];
      float[] back = new float[axes.length];
      float[] bias = new float[width];
      for (int i = 0; i < width; i++) {
        System.arraycopy(components.axes(), order[i] * channels, axes, i * channels, channels);
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
      double all = Arrays.stream(components.variances()).sum();
      return all > 0 ? Arrays.stream(variances).sum() / all : 1;
    }
  }

  /** Rows of a block of a fit, among which the nearest centroids are searched at a time. */
  static final int FIT_ROWS = 4096;
}
