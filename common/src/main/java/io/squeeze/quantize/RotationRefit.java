package io.squeeze.quantize;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Refits pq: turns the vectors so that their parts suit the codebooks, and moves the codebooks, in
 * turns (Ge, He, Ke and Sun, Optimized Product Quantization, 2013). The rotation becomes part of
 * the projections. It begins with principal components dealt to the parts so that the products of
 * their variances are alike, the same paper's choice for Gaussian vectors.
 *
 * @param codebooks of the parts
 */
public record RotationRefit(List<EmaCodebook> codebooks) implements Refit<RotationRefit.Parts> {
  /** Variances below this share of the largest count as this. */
  private static final double LEAST = 1e-12;

  /**
   * The sums of whole vectors by the codes of their parts.
   *
   * @param sums of each part's codes
   */
  public record Parts(List<CodebookStatistics> sums) implements Refit.Sums<Parts> {

    @Override
    public Parts merge(Parts other) {
      for (int p = 0; p < sums.size(); p++) {
        sums.get(p).merge(other.sums.get(p));
      }
      return this;
    }

    @Override
    public double error() {
      return sums.stream().mapToDouble(CodebookStatistics::distances).sum();
    }

    @Override
    public long[][] counts() {
      return sums.stream().map(CodebookStatistics::counts).toArray(long[][]::new);
    }
  }

  private int width() {
    return codebooks.stream().mapToInt(EmaCodebook::width).sum();
  }

  @Override
  public int[] order(double[] variances) {
    int parts = codebooks.size();
    int own = variances.length / parts;
    int[] order = new int[variances.length];
    int[] filled = new int[parts];
    double[] logarithms = new double[parts];
    double widest = Math.max(Double.MIN_NORMAL, Arrays.stream(variances).max().orElse(0));
    for (int i = 0; i < variances.length; i++) {
      int least = -1;
      for (int p = 0; p < parts; p++) {
        if (filled[p] < own && (least < 0 || logarithms[p] < logarithms[least])) {
          least = p;
        }
      }
      order[least * own + filled[least]++] = i;
      // Against the least share: what is added is never negative, whatever the unit of the vectors.
      logarithms[least] += Math.log(Math.max(variances[i] / widest, LEAST) / LEAST);
    }
    return order;
  }

  @Override
  public KMeans.Result begin(KMeans.Result centroids) {
    return Shrinkage.of(centroids);
  }

  @Override
  public Parts none(double largest) {
    int exponent = CodebookStatistics.exponent(largest);
    return new Parts(
        codebooks.stream()
            .map(book -> new CodebookStatistics(book.codes(), width(), exponent))
            .toList());
  }

  @Override
  public void add(Parts sums, VectorBlock vectors, Parameters parameters) {
    int width = vectors.width();
    int rows = vectors.keys().length;
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray all = Torch.floats(manager, new Shape(rows, width), b -> b.put(vectors.values()));
      int from = 0;
      for (int p = 0; p < codebooks.size(); p++) {
        EmaCodebook book = codebooks.get(p);
        NDArray part = all.get(new NDIndex(":, %d:%d".formatted(from, from + book.width())));
        long[] codes = book.nearest(part, parameters).toLongArray();
        float[] words = Torch.tensor(parameters.get(book.embed())).floats();
        CodebookStatistics own = sums.sums().get(p);
        for (int row = 0; row < rows; row++) {
          int code = (int) codes[row];
          int at = row * width;
          double error =
              KMeans.squared(vectors.values(), at + from, words, code * book.width(), book.width());
          own.add(code, vectors.values(), at);
          own.addDistance(error);
        }
        from += book.width();
      }
    }
  }

  @Override
  public void improve(Parts sums, Map<String, HostTensor> tensors) {
    double[] turned =
        tensors.containsKey(Quantizer.PROJECT_IN) ? turned(sums, tensors) : identity();
    int width = width();
    int from = 0;
    for (int p = 0; p < codebooks.size(); p++) {
      EmaCodebook book = codebooks.get(p);
      CodebookStatistics own = sums.sums().get(p);
      float[] words = tensors.get(book.embed()).floats();
      double ridge = Shrinkage.ridge(words, own.counts(), own.distances());
      for (int k = 0; k < book.codes(); k++) {
        for (int j = 0; j < book.width() && own.count(k) > 0; j++) {
          double sum = 0;
          for (int i = 0; i < width; i++) {
            sum += turned[(from + j) * width + i] * own.sum(k, i);
          }
          words[k * book.width() + j] = (float) (sum / (own.count(k) + ridge));
        }
      }
      long vectors = Arrays.stream(own.counts()).sum();
      book.start(
          tensors, new KMeans.Result(words, own.counts(), own.distances()), (double) vectors);
      from += book.width();
    }
  }

  private double[] identity() {
    int width = width();
    double[] identity = new double[width * width];
    for (int i = 0; i < width; i++) {
      identity[i * width + i] = 1;
    }
    return identity;
  }

  /** The rotation [d, d] that suits the codes best; the projections are turned by it. */
  private double[] turned(Parts sums, Map<String, HostTensor> tensors) {
    int width = width();
    double[] products = new double[width * width];
    int from = 0;
    for (int p = 0; p < codebooks.size(); p++) {
      EmaCodebook book = codebooks.get(p);
      float[] words = tensors.get(book.embed()).floats();
      for (int k = 0; k < book.codes(); k++) {
        for (int i = 0; i < width; i++) {
          double sum = sums.sums().get(p).sum(k, i);
          for (int j = 0; j < book.width(); j++) {
            products[(from + j) * width + i] += words[k * book.width() + j] * sum;
          }
        }
      }
      from += book.width();
    }
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray rotation =
          NativeKernels.rotationTo(manager.create(products, new Shape(width, width)));
      double[] turned = rotation.toDoubleArray();
      Projection.turn(tensors, turned, width);
      return turned;
    }
  }
}
