package io.squeeze.quantize;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Pieces;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Refits the codebooks of rvq. A round encodes all vectors by beam search, then finds the codewords
 * that suit these codes best, all levels at once: a least-squares problem (Babenko and Lempitsky,
 * Additive Quantization, 2014). How often two codes occur together and the sums of the vectors of
 * each code say all of it, whatever the number of vectors. Gauss-Seidel sweeps solve it, a level
 * after the other.
 *
 * <p>A codeword of few vectors would follow their noise. So each is drawn towards zero ({@link
 * Shrinkage}).
 *
 * @param width values of a codeword
 */
record ResidualRefit(ResidualVectorQuantizer quantizer, int width)
    implements Refit<ResidualRefit.Pairs> {
  /** Sweeps of a round; the next round goes on where they end. */
  private static final int SWEEPS = 3;

  /** Columns that are solved together, a piece of the work. */
  private static final int COLUMNS = 32;

  /** The most codewords of all levels together: a table of their pairs takes 64 MB. */
  static final int MOST_CODES = 4096;

  /**
   * How often codes occur together, and the sums of their vectors.
   *
   * @param offsets of each level's codewords, and behind the last
   * @param pairs [K, K] of all levels' codewords
   */
  record Pairs(int[] offsets, int[] pairs, CodebookStatistics sums) implements Refit.Sums<Pairs> {

    @Override
    public Pairs merge(Pairs other) {
      for (int i = 0; i < pairs.length; i++) {
        pairs[i] = Math.addExact(pairs[i], other.pairs[i]);
      }
      sums.merge(other.sums);
      return this;
    }

    @Override
    public double error() {
      return sums.distances();
    }

    @Override
    public long[][] counts() {
      long[] all = sums.counts();
      long[][] counts = new long[offsets.length - 1][];
      Arrays.setAll(counts, l -> Arrays.copyOfRange(all, offsets[l], offsets[l + 1]));
      return counts;
    }

    long vectors() {
      return Arrays.stream(sums.counts(), 0, offsets[1]).sum();
    }

    int codes() {
      return offsets[offsets.length - 1];
    }

    int levels() {
      return offsets.length - 1;
    }
  }

  private int[] offsets() {
    int[] sizes = quantizer.codebookSizes();
    int[] offsets = new int[sizes.length + 1];
    for (int l = 0; l < sizes.length; l++) {
      offsets[l + 1] = offsets[l] + sizes[l];
    }
    return offsets;
  }

  @Override
  public Pairs none(double largest) {
    int[] offsets = offsets();
    int codes = offsets[offsets.length - 1];
    return new Pairs(
        offsets,
        new int[codes * codes],
        new CodebookStatistics(codes, width, CodebookStatistics.exponent(largest)));
  }

  @Override
  public void add(Pairs sums, VectorBlock vectors, Parameters parameters) {
    float[] books = books(quantizer.codebooks(), parameters);
    int[] codes = quantizer.search(parameters).codes(vectors.values());
    int[] offsets = sums.offsets();
    int depth = sums.levels();
    int all = sums.codes();
    float[] decoded = new float[width];
    int[] places = new int[depth];
    for (int row = 0; row < vectors.keys().length; row++) {
      int at = row * width;
      Arrays.fill(decoded, 0);
      for (int l = 0; l < depth; l++) {
        places[l] = offsets[l] + codes[row * depth + l];
        for (int j = 0; j < width; j++) {
          decoded[j] += books[places[l] * width + j];
        }
      }
      sums.sums().addDistance(KMeans.squared(vectors.values(), at, decoded, 0, width));
      for (int a : places) {
        sums.sums().add(a, vectors.values(), at);
        for (int b : places) {
          sums.pairs()[a * all + b]++;
        }
      }
    }
  }

  private static float[] books(List<EmaCodebook> codebooks, Parameters parameters) {
    return joined(
        codebooks.stream().map(b -> Torch.tensor(parameters.get(b.embed())).floats()).toList());
  }

  private static float[] joined(List<float[]> books) {
    float[] all = new float[books.stream().mapToInt(book -> book.length).sum()];
    int at = 0;
    for (float[] book : books) {
      System.arraycopy(book, 0, all, at, book.length);
      at += book.length;
    }
    return all;
  }

  @Override
  public void improve(Pairs sums, Map<String, HostTensor> tensors) {
    List<EmaCodebook> codebooks = quantizer.codebooks();
    float[] books = joined(codebooks.stream().map(b -> tensors.get(b.embed()).floats()).toList());
    double[] ridges = ridges(sums, books);
    float[] improved = new float[books.length];
    try (NDManager manager = Torch.manager(Device.cpu())) {
      double[] counts = Arrays.stream(sums.pairs()).asDoubleStream().toArray();
      NDArray[] rows = new NDArray[sums.levels()];
      for (int l = 0; l < rows.length; l++) {
        int from = sums.offsets()[l];
        int to = sums.offsets()[l + 1];
        rows[l] =
            manager.create(
                Arrays.copyOfRange(counts, from * sums.codes(), to * sums.codes()),
                new Shape(to - from, sums.codes()));
      }
      Pieces.run(
          (width + COLUMNS - 1) / COLUMNS,
          piece -> {
            int from = piece * COLUMNS;
            solve(sums, ridges, rows, books, from, Math.min(width, from + COLUMNS), improved);
          });
    }
    long[][] counts = sums.counts();
    long vectors = sums.vectors();
    for (int l = 0; l < codebooks.size(); l++) {
      int from = sums.offsets()[l] * width;
      int to = sums.offsets()[l + 1] * width;
      codebooks
          .get(l)
          .start(
              tensors,
              new KMeans.Result(Arrays.copyOfRange(improved, from, to), counts[l], sums.error()),
              (double) vectors);
    }
  }

  /** Sweeps over the levels, for the columns from one to another. */
  private void solve(
      Pairs sums,
      double[] ridges,
      NDArray[] rows,
      float[] books,
      int from,
      int to,
      float[] improved) {
    int columns = to - from;
    double[] words = new double[sums.codes() * columns];
    for (int i = 0; i < words.length; i++) {
      words[i] = books[i / columns * width + from + i % columns];
    }
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
      for (int l = 0; l < sums.levels(); l++) {
        double[] explained;
        try (NDManager scope = rows[l].getManager().newSubManager()) {
          NDArray all = scope.create(words, new Shape(sums.codes(), columns));
          NDArray product = rows[l].matMul(all);
          product.attach(scope);
          explained = product.toDoubleArray();
        }
        int first = sums.offsets()[l];
        for (int k = first; k < sums.offsets()[l + 1]; k++) {
          long n = sums.sums().count(k);
          for (int j = 0; j < columns && n > 0; j++) {
            int at = k * columns + j;
            double others = explained[(k - first) * columns + j] - n * words[at];
            words[at] = (sums.sums().sum(k, from + j) - others) / (n + ridges[l]);
          }
        }
      }
    }
    for (int i = 0; i < words.length; i++) {
      improved[i / columns * width + from + i % columns] = (float) words[i];
    }
  }

  private double[] ridges(Pairs sums, float[] books) {
    double[] ridges = new double[sums.levels()];
    long[][] counts = sums.counts();
    for (int l = 0; l < ridges.length; l++) {
      int from = sums.offsets()[l] * width;
      int to = sums.offsets()[l + 1] * width;
      ridges[l] = Shrinkage.ridge(Arrays.copyOfRange(books, from, to), counts[l], sums.error());
    }
    return ridges;
  }

  @Override
  public KMeans.Result begin(KMeans.Result centroids) {
    return Shrinkage.of(centroids);
  }
}
