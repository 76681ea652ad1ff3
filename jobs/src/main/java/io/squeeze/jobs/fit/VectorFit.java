package io.squeeze.jobs.fit;

import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.fit.Candidates.Candidate;
import io.squeeze.jobs.fit.Fit.Fitted;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.metric.CodeUsage;
import io.squeeze.quantize.QuantizerType;
import io.squeeze.quantize.ScalarQuantizer;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.ModelState;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.LongPredicate;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.function.Function;
import org.apache.spark.storage.StorageLevel;

/**
 * Fits a quantizer to a sample of a table's vectors, in one task or over the executors; the type is
 * chosen first where the settings leave it open.
 */
public final class VectorFit {
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

  /**
   * Bits that a vector's codes take where they are stored.
   *
   * @param bits of codes of a fixed width; by their entropy where they have none
   */
  public static double storedBits(QuantizerSettings settings, double bits) {
    return isScalar(settings) ? bits + 8 * CODING_BYTES : bits;
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
            // No fit uses these: as they were in versions before, whose runs stay valid.
            .with("quantizer.codebook.decay", "0.99")
            .with("quantizer.projection-start", "random")
            .with("quantizer.centred", "true");
    fit = rateAlone ? fit.with("quantizer.type", AUTO) : fit;
    return settings.isGiven("quantizer.beam") ? fit : fit.with("quantizer.beam", BEAM);
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

  /** Which keys are meant. */
  public interface Taken extends LongPredicate, Serializable {}

  /** What tells the order of some vectors of a table. */
  public interface Order {
    /** The keys that are taken, in the order of the ids; empty where there are none. */
    long[] of(Taken taken);
  }

  /**
   * Fits the quantizer.
   *
   * @param order in which vectors of one source stand side by side: types are compared on vectors
   *     of other sources than those that they are fitted to
   */
  public void fit(JavaRDD<VectorBlock> vectors, Order order) {
    JavaRDD<VectorBlock> sample = vectors.persist(StorageLevel.MEMORY_AND_DISK());
    try {
      long count = sample.map(block -> (long) block.keys().length).fold(0L, Long::sum);
      if (count == 0) {
        throw SqueezeException.input(
            "There are no vectors to fit a quantizer to: the table is empty, or none was drawn"
                + " (--max_init_samples; ids must differ)");
      }
      if (isAuto()) {
        choose(sample, count, order);
      }
      Fit fit = new Fit(run, channels);
      if (4 * count * channels <= HELD) {
        reporter.say("Fitting %s to %s vectors".formatted(run.quantizer().type(), count));
        fitted = inOneTask(sample, held -> fit.to(new HeldVectors(held), line -> {}));
      } else {
        Tasks.startOnCpu();
        fitted = fit.to(new SpreadVectors(sample, count), reporter::say);
      }
    } finally {
      sample.unpersist();
    }
  }

  /** What a task computes that holds all of these vectors. */
  private static <T> T inOneTask(
      JavaRDD<VectorBlock> vectors, Function<List<VectorBlock>, T> compute) {
    return vectors
        .coalesce(1)
        .mapPartitions(
            blocks -> {
              Tasks.startOnCpu();
              List<VectorBlock> held = new ArrayList<>();
              blocks.forEachRemaining(held::add);
              return List.of(compute.call(held)).iterator();
            })
        .first();
  }

  /** Takes the type with the smallest error among those that the rate allows. */
  private void choose(JavaRDD<VectorBlock> sample, long count, Order order) {
    Settings open = run;
    int width = channels;
    double share = (double) TRIED / count;
    long seed = run.seed();
    long[] keys = order.of(key -> takes(seed + 1, key, share));
    candidates =
        inOneTask(
            sample.flatMap(
                block -> block.where(key -> takes(seed + 1, key, share)).stream().iterator()),
            held -> Candidates.measured(open, width, held, keys));
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

  /** Rows of a block of a fit, among which the nearest centroids are searched at a time. */
  public static final int FIT_ROWS = 4096;
}
