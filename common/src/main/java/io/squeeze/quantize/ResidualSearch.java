package io.squeeze.quantize;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Pieces;
import io.squeeze.torch.Torch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Codes of residual quantization by beam search, on a CPU: every level keeps the {@code beam}
 * prefixes of codes that leave the least.
 *
 * <p>One matrix product per group of levels gives {@code |c|^2 - 2 r c} for all codewords c of the
 * group, r being what the levels before the group left. What a codeword of the group adds to the
 * score of a later one, {@code 2 c c'}, stands in a table, so a level adds rows of tables instead
 * of computing residuals. A group holds about 2048 codewords: its table stays in the cache, and
 * rounding starts anew with every group.
 */
final class ResidualSearch {
  /** Rows of a product: the last bit of a row depends on the shape of its matrix. */
  private static final int ROWS = 256;

  private static final int GROUP = 2048;

  /** Vectors that go down a level together. */
  private static final int TOGETHER = 32;

  private final int width;
  private final int beam;
  private final int depth;
  private final List<Group> groups;

  /**
   * Some levels that are searched together.
   *
   * @param first level
   * @param offsets of each level's codewords, and behind the last
   * @param vectors [K, d] of all levels
   * @param norms [K]
   * @param products of a level before and a later one: [K][K'], twice the products of codewords
   */
  private record Group(
      int first, int[] offsets, float[] vectors, float[] norms, float[][][][] products) {
    int levels() {
      return offsets.length - 1;
    }

    int codes() {
      return offsets[levels()];
    }

    int size(int level) {
      return offsets[level + 1] - offsets[level];
    }
  }

  /**
   * A search.
   *
   * @param books codewords of each level, [K * d]
   */
  ResidualSearch(List<float[]> books, int width, int beam) {
    this.width = width;
    this.beam = beam;
    this.depth = books.size();
    this.groups = new ArrayList<>();
    for (int first = 0; first < depth; ) {
      int end = first + 1;
      int codes = books.get(first).length / width;
      while (end < depth && codes + books.get(end).length / width <= GROUP) {
        codes += books.get(end).length / width;
        end++;
      }
      groups.add(group(first, books.subList(first, end)));
      first = end;
    }
  }

  private Group group(int first, List<float[]> books) {
    int[] offsets = new int[books.size() + 1];
    for (int level = 0; level < books.size(); level++) {
      offsets[level + 1] = offsets[level] + books.get(level).length / width;
    }
    float[] vectors = new float[offsets[books.size()] * width];
    for (int level = 0; level < books.size(); level++) {
      float[] book = books.get(level);
      System.arraycopy(book, 0, vectors, offsets[level] * width, book.length);
    }
    int codes = offsets[books.size()];
    float[] norms = new float[codes];
    for (int k = 0; k < codes; k++) {
      norms[k] = square(vectors, k * width);
    }
    float[][][][] products = new float[books.size()][books.size()][][];
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray[] all = new NDArray[books.size()];
      for (int level = 0; level < all.length; level++) {
        float[] book = books.get(level);
        all[level] = Torch.floats(manager, new Shape(book.length / width, width), b -> b.put(book));
        for (int before = 0; before < level; before++) {
          NDArray product = all[before].matMul(all[level].transpose()).mul(2);
          products[before][level] = rows(product);
        }
      }
    }
    return new Group(first, offsets, vectors, norms, products);
  }

  private static float[][] rows(NDArray matrix) {
    float[] all = Torch.tensor(matrix).floats();
    float[][] rows = new float[(int) matrix.getShape().get(0)][];
    int width = all.length / rows.length;
    Arrays.setAll(rows, i -> Arrays.copyOfRange(all, i * width, (i + 1) * width));
    return rows;
  }

  /** The codes of vectors [n * d]: [n * levels], level fastest. */
  int[] codes(float[] vectors) {
    int rows = vectors.length / width;
    int[] codes = new int[rows * depth];
    Pieces.run((rows + ROWS - 1) / ROWS, piece -> search(vectors, piece * ROWS, codes));
    return codes;
  }

  /**
   * What is open while some vectors are searched: as many prefixes of codes for each.
   *
   * @param open prefixes of a vector
   * @param costs squared lengths of what a prefix leaves, each less the same number for a vector
   * @param codes [prefix][level]
   * @param residuals what the groups before left, [m * d]
   * @param origins which of the residuals a prefix goes on from
   */
  private record Beams(int open, float[] costs, int[][] codes, float[] residuals, int[] origins) {

    /** Of rows that were not searched yet. */
    static Beams of(float[] vectors, int rows, int depth) {
      int[] each = IntStream.range(0, rows).toArray();
      return new Beams(1, new float[rows], new int[rows][depth], vectors, each);
    }
  }

  private void search(float[] vectors, int from, int[] found) {
    int rows = Math.min(ROWS, vectors.length / width - from);
    float[] own = Arrays.copyOfRange(vectors, from * width, (from + rows) * width);
    Beams beams = Beams.of(own, rows, depth);
    for (int g = 0; g < groups.size(); g++) {
      if (g > 0) {
        beams = leave(beams, groups.get(g - 1));
      }
      float[] scores = scores(beams.residuals(), groups.get(g));
      for (int level = 0; level < groups.get(g).levels(); level++) {
        beams = descend(beams, groups.get(g), level, scores);
      }
    }
    for (int row = 0; row < rows; row++) {
      System.arraycopy(beams.codes()[row * beams.open()], 0, found, (from + row) * depth, depth);
    }
  }

  /** What the codes of a group leave, and its squared length. */
  private Beams leave(Beams beams, Group done) {
    int prefixes = beams.costs().length;
    float[] left = new float[prefixes * width];
    float[] costs = new float[prefixes];
    for (int i = 0; i < prefixes; i++) {
      System.arraycopy(beams.residuals(), beams.origins()[i] * width, left, i * width, width);
      for (int level = 0; level < done.levels(); level++) {
        int at = (done.offsets()[level] + beams.codes()[i][done.first() + level]) * width;
        for (int j = 0; j < width; j++) {
          left[i * width + j] -= done.vectors()[at + j];
        }
      }
      costs[i] = square(left, i * width);
    }
    int[] each = IntStream.range(0, prefixes).toArray();
    return new Beams(beams.open(), costs, beams.codes(), left, each);
  }

  private float square(float[] values, int from) {
    return (float) KMeans.squared(values, from, new float[width], 0, width);
  }

  /** Continues every open prefix by a level. */
  private Beams descend(Beams beams, Group group, int level, float[] scores) {
    int codes = group.size(level);
    int rows = beams.costs().length / beams.open();
    int open = (int) Math.min(beam, (long) beams.open() * codes);
    Beams next =
        new Beams(
            open,
            new float[rows * open],
            new int[rows * open][],
            beams.residuals(),
            new int[rows * open]);
    Best best = new Best(open);
    float[][] sums = new float[Math.min(rows, TOGETHER) * beams.open()][codes];
    for (int from = 0; from < rows; from += TOGETHER) {
      int to = Math.min(rows, from + TOGETHER);
      sum(beams, group, level, scores, from * beams.open(), to * beams.open(), sums);
      for (int row = from; row < to; row++) {
        best.clear();
        for (int i = 0; i < beams.open(); i++) {
          int prefix = row * beams.open() + i;
          best.offer(i * codes, beams.costs()[prefix], sums[prefix - from * beams.open()]);
        }
        for (int i = 0; i < open; i++) {
          int parent = row * beams.open() + best.place(i) / codes;
          next.costs()[row * open + i] = best.cost(i);
          next.codes()[row * open + i] = beams.codes()[parent].clone();
          next.codes()[row * open + i][group.first() + level] = best.place(i) % codes;
          next.origins()[row * open + i] = beams.origins()[parent];
        }
      }
    }
    return next;
  }

  /** What the codewords of a level add to the costs of some prefixes: [prefixes, K]. */
  private static void sum(
      Beams beams, Group group, int level, float[] scores, int from, int to, float[][] sums) {
    int codes = group.size(level);
    for (int b = from; b < to; b++) {
      int at = beams.origins()[b] * group.codes() + group.offsets()[level];
      System.arraycopy(scores, at, sums[b - from], 0, codes);
    }
    // A table at a time: it stays in the cache.
    for (int before = 0; before < level; before++) {
      float[][] table = group.products()[before][level];
      for (int b = from; b < to; b++) {
        add(sums[b - from], table[beams.codes()[b][group.first() + before]]);
      }
    }
  }

  /** Both of one length: a loop that the JVM turns into vector instructions. */
  private static void add(float[] sums, float[] others) {
    for (int k = 0; k < sums.length; k++) {
      sums[k] += others[k];
    }
  }

  /**
   * The continuations of a vector's prefixes that leave least, the best first; of equal ones the
   * first that was offered. A continuation is one number, which sorts by its cost, then by its
   * place among all that are offered: {@code prefix * codes + code}.
   */
  private static final class Best {
    private final long[] found;
    private int size;

    Best(int most) {
      found = new long[most];
    }

    void clear() {
      size = 0;
      Arrays.fill(found, Long.MAX_VALUE);
    }

    float cost(int i) {
      int bits = (int) (found[i] >> 32);
      return Float.intBitsToFloat(bits ^ ((bits >> 31) & 0x7fffffff));
    }

    int place(int i) {
      return (int) found[i];
    }

    /** Offers all codes behind a prefix, the first of which has this place. */
    void offer(int place, float base, float[] scores) {
      int k = 0;
      for (; k < scores.length && size < found.length; k++) {
        insert(base + scores[k], place + k);
        size++;
      }
      float worst = cost(found.length - 1);
      for (; k < scores.length; k++) {
        float cost = base + scores[k];
        if (!(cost >= worst)) {
          insert(cost, place + k);
          worst = cost(found.length - 1);
        }
      }
    }

    /** Without branches: which of the best a new one pushes out cannot be foretold. */
    private void insert(float cost, int place) {
      // Negative zero becomes zero, as which it counts, and any NaN the one that sorts last.
      int bits = Float.floatToIntBits(cost + 0f);
      long next = ((long) (bits ^ ((bits >> 31) & 0x7fffffff)) << 32) | place;
      for (int i = 0; i < found.length; i++) {
        long other = found[i];
        found[i] = Math.min(other, next);
        next = Math.max(other, next);
      }
    }
  }

  /** {@code |c|^2 - 2 r c} of residuals r [n * d] and a group's codewords: [n * K]. */
  private float[] scores(float[] residuals, Group group) {
    int rows = residuals.length / width;
    int codes = group.codes();
    float[] scores = new float[rows * codes];
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray book = Torch.floats(manager, new Shape(codes, width), b -> b.put(group.vectors()));
      NDArray norms = Torch.floats(manager, new Shape(codes), b -> b.put(group.norms()));
      for (int from = 0; from < rows; from += ROWS) {
        int start = from * width;
        int count = Math.min(ROWS, rows - from);
        NDArray part =
            Torch.floats(
                manager,
                new Shape(ROWS, width),
                b -> b.put(residuals, start, count * width).put(new float[b.remaining()]));
        Torch.copy(NativeKernels.scores(part, book, norms), scores, from * codes, count * codes);
      }
    }
    return scores;
  }
}
