package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Seeds;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Codewords that follow the vectors nearest to them by exponential moving averages (arXiv
 * 1711.00937, appendix A.1).
 *
 * <p>With n the number and m the sum of a batch's vectors on a code: {@code c <- decay c + (1 -
 * decay) n}, {@code s <- decay s + (1 - decay) m}, codeword {@code = s / c'} where {@code c'} is c
 * with Laplace smoothing. Besides the codewords, three more tensors hold c, s and the number of
 * vectors since a code was last the nearest one.
 */
public final class EmaCodebook implements Serializable {
  private static final long serialVersionUID = 1L;

  /** Vectors for each code that the averages hold, where no decay is set ... */
  private static final int HELD = 16;

  /** ... between these weights of a step. */
  private static final double FASTEST = 0.1;

  private static final double SLOWEST = 0.001;

  private final String name;
  private final int codes;
  private final int width;
  private final QuantizerSettings.Codebook settings;
  private final boolean unit;

  /**
   * A codebook.
   *
   * @param name of its tensors
   * @param unit whether codewords lie on the unit sphere
   */
  public EmaCodebook(
      String name, int codes, int width, QuantizerSettings.Codebook settings, boolean unit) {
    this.name = name;
    this.codes = codes;
    this.width = width;
    this.settings = settings;
    this.unit = unit;
  }

  public int codes() {
    return codes;
  }

  public int width() {
    return width;
  }

  /** The name of the codewords, [K, d]. */
  public String embed() {
    return name + ".embed";
  }

  private String size() {
    return name + ".cluster_size";
  }

  private String sum() {
    return name + ".embed_avg";
  }

  private String idle() {
    return name + ".idle_vectors";
  }

  /**
   * Codewords as the reference library draws them: Kaiming's bound for [1, K, d], sqrt(6 / (K d)).
   */
  public Map<String, HostTensor> initial(long seed) {
    double bound = Math.sqrt(6.0 / ((double) codes * width));
    HostTensor drawn = HostTensor.uniform(Seeds.random(seed, embed()), bound, codes, width);
    HostTensor embed =
        unit ? HostTensor.of(normalised(drawn.floats(), width), codes, width) : drawn;
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    tensors.put(embed(), embed);
    tensors.put(size(), HostTensor.full(1, codes));
    tensors.put(sum(), embed);
    tensors.put(idle(), HostTensor.of(new long[codes], codes));
    return tensors;
  }

  /** The nearest codeword of each vector: [N, d] -> int64 [N]. */
  public NDArray nearest(NDArray z, Parameters parameters) {
    return NativeKernels.nearest(z, parameters.get(embed()));
  }

  /** int64 [N] -> [N, d]. */
  public NDArray lookup(NDArray indices, Parameters parameters) {
    return NativeKernels.lookup(parameters.get(embed()), indices);
  }

  /** The same where a code may be -1: zeros stand there. */
  public NDArray decode(NDArray indices, Parameters parameters) {
    return Quantizer.present(lookup(indices.maximum(0), parameters), indices);
  }

  /** {@link #nearest} as TorchScript: float32 [N, d] -> int64 [N]. */
  public String nearestScript(ScriptBody body, String z) {
    String book = body.tensor(embed());
    String norms =
        body.let(
            "torch.mul(torch.sum(torch.mul(%s, %s), [1], False, dtype=None), -0.5)", book, book);
    return body.let(
        "torch.argmax(torch.addmm(%s, %s, torch.t(%s), beta=1, alpha=1), 1, False)",
        norms, z, book);
  }

  /**
   * {@link #lookup} as TorchScript, of a level's codes: int64 [N, levels] -> [N, d].
   *
   * @param level column of the codes
   */
  public String lookupScript(ScriptBody body, String codes, int level) {
    return body.let(
        "torch.index_select(%s, 0, torch.select(%s, 1, %d))", body.tensor(embed()), codes, level);
  }

  /** One step of the averages with a batch's codes [N] and vectors [N, d]. */
  public void update(NDArray indices, NDArray vectors, Parameters parameters) {
    NDArray embed = parameters.get(embed());
    NDArray counts = NativeKernels.counts(indices, embed);
    NDArray waited = counts.eq(0).toType(DataType.INT64, false);
    NDArray idle = copy(idle(), parameters, counts).add(indices.size());
    parameters.set(idle(), waited.mul(idle));
    NDArray n = counts.toType(DataType.FLOAT32, false);
    NDArray m = NativeKernels.sums(indices, vectors, embed);
    float rate = (float) rate(indices.size());
    NDArray size = parameters.get(size());
    NDArray sum = parameters.get(sum());
    size.addi(n.sub(size).mul(rate));
    sum.addi(m.sub(sum).mul(rate));
    NDArray sizes = copy(size(), parameters, counts);
    NDArray total = sizes.sum();
    NDArray smoothed =
        sizes
            .add((float) settings.eps())
            .div(total.add((float) (codes * settings.eps())))
            .mul(total);
    NDArray fresh = sum.div(smoothed.expandDims(1));
    fresh.attach(counts.getManager());
    parameters.set(embed(), unit ? fresh.normalize(2, 1, VectorQuantizer.SHORTEST) : fresh);
  }

  /**
   * The weight of a step in the averages. Where no decay is set, they hold about {@link #HELD}
   * vectors for each code. With fewer, a codeword is the mean of a few vectors by chance. With
   * more, it follows the projection too late.
   */
  private double rate(long vectors) {
    return settings.decay() == null
        ? Math.max(SLOWEST, Math.min(FASTEST, (double) vectors / ((double) HELD * codes)))
        : 1 - settings.decay();
  }

  /** A parameter among a batch's arrays: what is made from it goes with them. */
  private static NDArray copy(String name, Parameters parameters, NDArray beside) {
    NDArray copy = parameters.get(name).duplicate();
    copy.attach(beside.getManager());
    return copy;
  }

  /** One step of the averages with statistics of vectors wherever they lie. */
  public void update(Map<String, HostTensor> tensors, CodebookStatistics batch) {
    float[] sizes = tensors.get(size()).floats();
    float[] sums = tensors.get(sum()).floats();
    double rate = rate(Arrays.stream(batch.counts()).sum());
    for (int k = 0; k < codes; k++) {
      sizes[k] += (float) (rate * (batch.count(k) - (double) sizes[k]));
      for (int j = 0; j < width; j++) {
        sums[k * width + j] += (float) (rate * (batch.sum(k, j) - sums[k * width + j]));
      }
    }
    tensors.put(size(), HostTensor.of(sizes, codes));
    tensors.put(sum(), HostTensor.of(sums, codes, width));
    rebuild(tensors);
  }

  /** The codewords anew from sizes and sums. */
  public void rebuild(Map<String, HostTensor> tensors) {
    float[] sizes = tensors.get(size()).floats();
    float[] values = tensors.get(sum()).floats();
    double total = 0;
    for (float size : sizes) {
      total += size;
    }
    for (int k = 0; k < codes; k++) {
      double smoothed = (sizes[k] + settings.eps()) / (total + codes * settings.eps()) * total;
      for (int j = 0; j < width; j++) {
        values[k * width + j] = (float) (values[k * width + j] / smoothed);
      }
    }
    tensors.put(embed(), HostTensor.of(unit ? normalised(values, width) : values, codes, width));
  }

  /** Rows [k, d] on the unit sphere, in place. */
  static float[] normalised(float[] values, int width) {
    for (int k = 0; k < values.length / width; k++) {
      double squares = 0;
      for (int j = 0; j < width; j++) {
        squares += (double) values[k * width + j] * values[k * width + j];
      }
      double length = Math.max(Math.sqrt(squares), VectorQuantizer.SHORTEST);
      for (int j = 0; j < width; j++) {
        values[k * width + j] = (float) (values[k * width + j] / length);
      }
    }
    return values;
  }

  /**
   * Begins with the centroids of k-means, and with averages to match, so that the first step does
   * not undo it. A centroid without vectors counts as one.
   *
   * @param batchVectors vectors of one step of training, the scale of the averages
   */
  public void start(Map<String, HostTensor> tensors, KMeans.Result centroids, double batchVectors) {
    float[] sizes = new float[codes];
    float[] sums = centroids.centroids().clone();
    double total = 0;
    for (long count : centroids.counts()) {
      total += count;
    }
    for (int k = 0; k < codes; k++) {
      sizes[k] = (float) (Math.max(1, centroids.counts()[k]) / total * batchVectors);
      for (int j = 0; j < width; j++) {
        sums[k * width + j] *= sizes[k];
      }
    }
    tensors.put(size(), HostTensor.of(sizes, codes));
    tensors.put(sum(), HostTensor.of(sums, codes, width));
    tensors.put(idle(), HostTensor.of(new long[codes], codes));
    rebuild(tensors);
  }

  /** The k-means that begins this codebook. */
  public KMeans kMeans(long seed) {
    return new KMeans(settings.kmeansIterations(), seed, unit);
  }

  /**
   * The codes that were nearest to none of the last vectors, in ascending order. The settings give
   * the number of vectors.
   */
  public List<Integer> dead(Map<String, HostTensor> tensors) {
    List<Integer> dead = new ArrayList<>();
    long patience = (long) settings.reviveAfter() * codes;
    long[] idle = tensors.get(idle()).longs();
    for (int k = 0; k < codes && patience > 0; k++) {
      if (idle[k] >= patience) {
        dead.add(k);
      }
    }
    return dead;
  }

  /**
   * Moves dead codes to vectors, one to each in the given order, and sets their averages to match.
   *
   * @param vectors the vectors; at most one code is revived for each
   * @param clusterSize cluster size that a revived code gets
   * @return how many were revived
   */
  public int revive(
      Map<String, HostTensor> tensors,
      List<Integer> dead,
      List<float[]> vectors,
      double clusterSize) {
    int revived = Math.min(dead.size(), vectors.size());
    if (revived == 0) {
      return 0;
    }
    float[] embed = tensors.get(embed()).floats();
    float[] sizes = tensors.get(size()).floats();
    float[] sums = tensors.get(sum()).floats();
    long[] idle = tensors.get(idle()).longs();
    for (int i = 0; i < revived; i++) {
      int k = dead.get(i);
      idle[k] = 0;
      sizes[k] = (float) clusterSize;
      for (int j = 0; j < width; j++) {
        embed[k * width + j] = vectors.get(i)[j];
        sums[k * width + j] = (float) (vectors.get(i)[j] * clusterSize);
      }
    }
    tensors.put(embed(), HostTensor.of(embed, codes, width));
    tensors.put(size(), HostTensor.of(sizes, codes));
    tensors.put(sum(), HostTensor.of(sums, codes, width));
    tensors.put(idle(), HostTensor.of(idle, codes));
    return revived;
  }

  /** The mean size of a cluster: what a revived code begins with. */
  public double meanClusterSize(Map<String, HostTensor> tensors) {
    double total = 0;
    for (float size : tensors.get(size()).floats()) {
      total += size;
    }
    return total / codes;
  }
}
