package io.squeeze.config;

import java.io.Serializable;
import java.util.Arrays;
import java.util.List;

/**
 * The quantizer and its options. For a value of null, the type chooses its own.
 *
 * @param type its short name, or a class
 * @param codebookSize codes of each level; null if each has its own, too
 * @param bottleneckDim width of the vectors that are searched; 0: they are not projected
 * @param numQuantizers number of codes of a vector, for types with several
 * @param codebooks number of parts of a vector that are quantized separately, for types that do so
 * @param commitment weight of the commitment loss within the quantizer's loss
 * @param centred whether a centre, the mean of the vectors of a fit, is subtracted first
 * @param startsPrincipal whether training begins with projections onto principal components and
 *     back, where both are linear layers; else they are drawn
 * @param gradient how gradients pass the assignment: straight-through or rotation
 * @param beam beam width: number of candidates that encoding keeps at each level
 * @param referenceQuirks whether the reference library's oddities are reproduced
 * @param scalarLevels points of each component of scalar; empty: a fit chooses
 * @param codebookSizes codes of each level, where they differ; else empty
 * @param bytes of a vector's codes, for a fit to a table; null: the other settings decide
 * @param lossWeight weight of the quantizer's loss, which is added to the segmentation loss
 */
public record QuantizerSettings(
    String type,
    Integer codebookSize,
    Integer bottleneckDim,
    int numQuantizers,
    int codebooks,
    double commitment,
    boolean cosine,
    boolean centred,
    boolean startsPrincipal,
    String gradient,
    int beam,
    boolean referenceQuirks,
    double lossWeight,
    Codebook codebook,
    Finite finite,
    LookupFree lookupFree,
    Residual residual,
    List<Integer> scalarLevels,
    List<Integer> codebookSizes,
    Double bytes)
    implements Serializable {

  /**
   * A codebook that follows its vectors by moving averages.
   *
   * @param decay null: by the vectors of a step and the codes
   * @param reviveAfter a code is dead after it was nearest to none of this many vectors, times the
   *     codebook's size
   * @param maxInitSamples largest number of vectors for k-means; 0: all; null: the codebook's size
   *     decides
   * @param refitRounds most rounds in which a fit improves all codebooks together
   */
  public record Codebook(
      Double decay,
      double eps,
      int reviveAfter,
      int kmeansIterations,
      Integer maxInitSamples,
      int refitRounds)
      implements Serializable {

    /** Most vectors that k-means sees for {@code codes} codes. */
    public long initSamples(int codes) {
      if (maxInitSamples == null) {
        return Math.max(50_000, 256L * codes);
      }
      return maxInitSamples == 0 ? Long.MAX_VALUE : maxInitSamples;
    }
  }

  /**
   * Options of fsq.
   *
   * @param fsqLevels values of each dimension; empty: chosen by the codebook's size
   */
  public record Finite(List<Integer> fsqLevels, boolean symmetric) implements Serializable {}

  /**
   * Options of lfq.
   *
   * @param softClamp null for none
   */
  public record LookupFree(
      double entropyWeight,
      double diversityGamma,
      double commitment,
      double inverseTemperature,
      boolean spherical,
      Double softClamp,
      double codebookScale)
      implements Serializable {}

  /**
   * Options of rvq.
   *
   * @param dropoutFrom training never drops the levels up to this one, counted from 0
   * @param dropoutMultiple the number of kept levels is a multiple of this, or all levels
   * @param gradientFraction share of a level's gradient that its residual passes on
   */
  public record Residual(
      boolean sharedCodebook,
      boolean dropout,
      int dropoutFrom,
      int dropoutMultiple,
      double gradientFraction)
      implements Serializable {}

  static QuantizerSettings from(Section section) {
    Section codebook = section.at("codebook");
    Section finite = section.at("fsq");
    Section free = section.at("lfq");
    Section residual = section.at("rvq");
    return new QuantizerSettings(
        section.text("type"),
        section.isList("codebook-size") ? null : section.optionalIntIn("codebook-size", 2, 1 << 24),
        section.intOrNoneIn("bottleneck-dim", 1, 65536),
        section.intIn("num-quantizers", 1, 256),
        section.intIn("codebooks", 1, 256),
        section.doubleIn("commitment", 0, 1e6),
        section.bool("cosine"),
        section.bool("centred"),
        section.oneOf("projection-start", List.of("principal", "random")).equals("principal"),
        section.oneOf("gradient", List.of("straight-through", "rotation")),
        section.intIn("beam", 1, 1024),
        section.bool("reference-quirks"),
        section.doubleIn("loss-weight", 0, 1e6),
        new Codebook(
            codebook.optionalDoubleIn("decay", 0, 0.999999),
            codebook.doubleIn("eps", 0, 1),
            codebook.intIn("revive-after", 0, 1_000_000),
            codebook.intIn("kmeans-iterations", 1, 1000),
            codebook.optionalIntIn("max-init-samples", 0, Integer.MAX_VALUE),
            codebook.intIn("refit-rounds", 0, 1000)),
        new Finite(finite.ints("levels", 2, 65536), finite.bool("symmetric")),
        new LookupFree(
            free.doubleIn("entropy-weight", 0, 1e6),
            free.doubleIn("diversity-gamma", 0, 1e6),
            free.doubleIn("commitment", 0, 1e6),
            free.doubleIn("inverse-temperature", 1e-6, 1e6),
            free.bool("spherical"),
            free.optionalDoubleIn("soft-clamp", 1e-6, 1e6),
            free.doubleIn("codebook-scale", 1e-6, 1e6)),
        new Residual(
            residual.bool("shared-codebook"),
            residual.bool("dropout"),
            residual.intIn("dropout-from", 0, 255),
            residual.intIn("dropout-multiple", 1, 256),
            residual.doubleIn("gradient-fraction", 0, 1)),
        section.at("scalar").ints("levels", 2, 65536),
        section.isList("codebook-size") ? section.ints("codebook-size", 2, 1 << 24) : List.of(),
        section.optionalDoubleIn("bytes", 0.125, 65536));
  }

  /** Codes of a level; {@code otherwise} if the setting is null. */
  public int codebookSize(int otherwise) {
    if (!codebookSizes.isEmpty()) {
      throw SqueezeException.configuration(
          type
              + " takes one --codebook_size, not "
              + codebookSizes
              + ": sizes by level are for rvq");
    }
    return codebookSize == null ? otherwise : codebookSize;
  }

  /** Codes of each of several levels; {@code otherwise} if the setting is null. */
  public int[] levelSizes(int otherwise) {
    int[] sizes = new int[codebookSizes.isEmpty() ? numQuantizers : codebookSizes.size()];
    Arrays.setAll(
        sizes, l -> codebookSizes.isEmpty() ? codebookSize(otherwise) : codebookSizes.get(l));
    return sizes;
  }

  /**
   * Width of the bottleneck, for types that cannot do without one; {@code otherwise} if the setting
   * is null.
   */
  public int bottleneckDim(int otherwise) {
    if (!projects()) {
      throw SqueezeException.configuration(
          type + " needs a bottleneck: --bottleneck_dim none is for vq, rvq, pq and scalar");
    }
    return bottleneckDim == null ? otherwise : bottleneckDim;
  }

  /** Whether vectors pass a linear layer before they are searched, and one behind. */
  public boolean projects() {
    return bottleneckDim == null || bottleneckDim > 0;
  }

  /** Width of the vectors that are searched; {@code otherwise} if the setting is null. */
  public int width(int channels, int otherwise) {
    return projects() ? bottleneckDim(otherwise) : channels;
  }
}
