package io.squeeze.jobs.fit;

import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.fit.FitVectors.Pass;
import io.squeeze.metric.CodeUsage;
import io.squeeze.quantize.ComponentHistograms;
import io.squeeze.quantize.CovarianceAccumulator.Components;
import io.squeeze.quantize.EmaCodebook;
import io.squeeze.quantize.KMeans;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.QuantizerType;
import io.squeeze.quantize.Refit;
import io.squeeze.quantize.ScalarDesign;
import io.squeeze.quantize.WaterFilling;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * The steps of a fit without gradients, wherever the vectors are. The projections are the principal
 * components of the vectors. K-means finds the codebooks, one after the other, each from what those
 * before leave; then they are improved together ({@link Refit}). All sums are exact and all draws
 * depend on the keys, so the result does not depend on how the vectors are split or ordered.
 */
record Fit(Settings run, int channels) implements Serializable {
  /** How much of the rate counts as paying for components: vectors are not Gaussian. */
  private static final double GENEROUS = 2;

  /** A round that changes the error by a smaller share is the last one. */
  private static final double GAIN = 0.003;

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

  /**
   * The widest projection of vectors that a type takes: all components, and zeros where its parts
   * have no equal number of them.
   */
  private static int widestOf(QuantizerSettings settings, int channels) {
    int multiple = QuantizerType.named(settings.type()).widthMultiple(settings);
    return (channels + multiple - 1) / multiple * multiple;
  }

  Fitted to(FitVectors vectors, Consumer<String> progress) {
    float[] centre = PrincipalAxes.mean(vectors.sum(channels));
    double largest = vectors.largest(centre);
    Components components =
        run.quantizer().projects() ? vectors.scatter(centre, largest).components() : null;
    if (VectorFit.isScalar(run.quantizer())) {
      return scalar(vectors, centre, largest, components, progress);
    }
    Settings chosen = components == null ? run : chosen(components.variances());
    Quantizer quantizer = Quantizer.of(chosen.quantizer(), channels);
    Map<String, HostTensor> tensors = quantizer.initial(chosen.seed());
    tensors.put(Quantizer.CENTRE, HostTensor.of(centre, channels));
    double kept = components == null ? 1 : PrincipalAxes.project(quantizer, components, tensors);
    boolean refits = run.quantizer().codebook().refitRounds() > 0 && quantizer.refit().isPresent();
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
    double bits = Math.max(1, Rate.bits(asked) - 8 * VectorFit.CODING_BYTES);
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
    PrincipalAxes.project(located, components, tensors);
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
    double kept = PrincipalAxes.project(quantizer, components, fitted);
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
    double bits = Rate.bits(widest(run, channels).codebookSizes());
    int needed = WaterFilling.of(variances, bits * GENEROUS).components(variances);
    int multiple = QuantizerType.named(asked.type()).widthMultiple(asked);
    int width = Math.min(widestOf(asked, channels), (needed + multiple - 1) / multiple * multiple);
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
}
