package io.squeeze.jobs.fit;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.jobs.fit.Fit.Fitted;
import io.squeeze.metric.CodeUsage;
import io.squeeze.quantize.KMeans;
import io.squeeze.quantize.Quantized;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.Quantizer.Mode;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;

/** Tries several types at one rate on some vectors, and measures them on others. */
public final class Candidates {
  /** Types that are tried, the simplest first: of equal ones the first is taken. */
  private static final List<String> TYPES = List.of("vq", "rvq", "pq", "scalar");

  /** Bits above which types are not tried: they take long. */
  private static final double MOST_VQ_BITS = 12;

  private static final double MOST_RVQ_BITS = 128;

  private static final double MOST_PQ_BITS = 256;

  /** One of so many vectors, or stretches of vectors, is measured. */
  private static final int EACH = 8;

  private static final int STRETCHES = 32;

  private static final String ROUNDS = "4";

  private static final int QUERIES = 200;
  private static final int NEIGHBOURS = 10;

  private Candidates() {}

  /**
   * What a type reaches.
   *
   * @param bytes of a vector's codes, by their entropy for scalar, at a fixed width else
   * @param error squared error as a share of the variance
   * @param cosine mean similarity to the decoded vector
   * @param recall share of the ten nearest of 200 vectors that decoded vectors keep
   * @param rate vectors encoded in a second by one task
   */
  public record Candidate(
      String type, double bytes, double error, double cosine, double recall, double rate)
      implements Serializable {
    static final String HEADER = "type      bytes   error  cosine  recall@10  vectors/s";

    String line() {
      return String.format(
          Locale.ROOT,
          "%-8s %6.2f  %.4f  %.4f  %9.3f  %9.0f",
          type,
          bytes,
          error,
          cosine,
          recall,
          rate);
    }
  }

  /**
   * Fits and measures every type that has the rate, on the vectors of a task.
   *
   * @param order keys of the vectors, those of one source side by side: whole stretches are
   *     measured and not fitted to; empty: single vectors
   */
  static List<Candidate> measured(
      Settings run, int channels, List<VectorBlock> blocks, long[] order) {
    Set<Long> stretches = new HashSet<>();
    for (int i = 0; i < order.length; i++) {
      if ((long) i * STRETCHES / order.length % EACH == EACH - 1) {
        stretches.add(order[i]);
      }
    }
    List<KMeans.Keyed> learned = new ArrayList<>();
    List<KMeans.Keyed> others = new ArrayList<>();
    for (VectorBlock block : blocks) {
      for (int i = 0; i < block.keys().length; i++) {
        long key = block.keys()[i];
        boolean other =
            order.length > 0
                ? stretches.contains(key)
                : Seeds.takes(Seeds.hash(key, "measured", ""), 1.0 / EACH);
        (other ? others : learned).add(block.at(i));
      }
    }
    if (learned.isEmpty() || others.isEmpty()) {
      return List.of();
    }
    List<VectorBlock> fitted = new ArrayList<>();
    for (int from = 0; from < learned.size(); from += VectorFit.FIT_ROWS) {
      int to = Math.min(learned.size(), from + VectorFit.FIT_ROWS);
      fitted.add(VectorBlock.of(learned.subList(from, to)));
    }
    VectorBlock measured = VectorBlock.of(others);
    double bits = Rate.bits(run.quantizer());
    // Enough to tell types apart.
    Settings brief =
        run.with("quantizer.codebook.refit-rounds", ROUNDS)
            .with("quantizer.codebook.kmeans-iterations", ROUNDS);
    return TYPES.stream()
        .filter(type -> !(type.equals("vq") && bits > MOST_VQ_BITS))
        .filter(type -> !(type.equals("rvq") && bits > MOST_RVQ_BITS))
        // A part of pq has one component at least.
        .filter(type -> !(type.equals("pq") && bits > Math.min(MOST_PQ_BITS, 8.0 * channels)))
        .map(type -> measured(brief.with("quantizer.type", type), channels, fitted, measured))
        .toList();
  }

  private static Candidate measured(
      Settings run, int channels, List<VectorBlock> fitted, VectorBlock measured) {
    Fitted fit = new Fit(Rate.spent(run), channels).to(new HeldVectors(fitted), line -> {});
    Quantizer quantizer = Quantizer.of(fit.settings().quantizer(), channels);
    int count = measured.keys().length;
    float[] decoded = new float[measured.values().length];
    long began = System.nanoTime();
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, fit.tensors())) {
      for (int from = 0; from < count; from += Blocks.ROWS) {
        int at = from * channels;
        int length = Math.min(Blocks.ROWS, count - from) * channels;
        float[] part = Arrays.copyOfRange(measured.values(), at, at + length);
        try (NDManager scope = manager.newSubManager()) {
          Quantized out =
              quantizer.quantize(Blocks.rows(scope, part, channels), parameters, Mode.EVALUATION);
          Torch.copy(out.vectors(), decoded, at, length);
        }
      }
    }
    double seconds = (System.nanoTime() - began) / 1e9;
    boolean scalar = VectorFit.isScalar(run.quantizer());
    double bits =
        scalar
            ? fit.usage().stream().mapToDouble(CodeUsage::entropyBits).sum()
            : Rate.bits(quantizer.codebookSizes());
    return new Candidate(
        run.quantizer().type(),
        VectorFit.storedBits(run.quantizer(), bits) / 8,
        error(measured.values(), decoded, channels),
        cosine(measured.values(), decoded, channels),
        recall(measured.values(), decoded, channels),
        count / seconds);
  }

  private static double error(float[] vectors, float[] decoded, int width) {
    double[] mean = new double[width];
    int count = vectors.length / width;
    for (int i = 0; i < vectors.length; i++) {
      mean[i % width] += vectors[i] / (double) count;
    }
    double lost = 0;
    double all = 0;
    for (int i = 0; i < vectors.length; i++) {
      lost += Math.pow(vectors[i] - decoded[i], 2);
      all += Math.pow(vectors[i] - mean[i % width], 2);
    }
    return all > 0 ? lost / all : 0;
  }

  private static double cosine(float[] vectors, float[] decoded, int width) {
    double sum = 0;
    for (int from = 0; from < vectors.length; from += width) {
      double dot = 0;
      double own = 0;
      double other = 0;
      for (int j = from; j < from + width; j++) {
        dot += (double) vectors[j] * decoded[j];
        own += (double) vectors[j] * vectors[j];
        other += (double) decoded[j] * decoded[j];
      }
      sum += own > 0 && other > 0 ? dot / Math.sqrt(own * other) : own == other ? 1 : 0;
    }
    return sum * width / vectors.length;
  }

  private static double recall(float[] vectors, float[] decoded, int width) {
    int count = vectors.length / width;
    int queries = Math.min(QUERIES, count);
    double shared = 0;
    double all = 0;
    for (int q = 0; q < queries; q++) {
      List<Integer> truth = nearest(vectors, q, vectors, width);
      all += truth.size();
      shared += nearest(vectors, q, decoded, width).stream().filter(truth::contains).count();
    }
    return all > 0 ? shared / all : 1;
  }

  private static List<Integer> nearest(float[] vectors, int query, float[] among, int width) {
    int count = vectors.length / width;
    double[] distances = new double[count];
    Arrays.setAll(distances, i -> KMeans.squared(vectors, query * width, among, i * width, width));
    return IntStream.range(0, count)
        .filter(i -> i != query)
        .boxed()
        .sorted((a, b) -> Double.compare(distances[a], distances[b]))
        .limit(NEIGHBOURS)
        .toList();
  }
}
