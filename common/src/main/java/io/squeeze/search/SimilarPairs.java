package io.squeeze.search;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Pairs of vectors that are at most a radius apart, among the vectors of one list. Of the pairs
 * that were found only those are given that join two groups: a list of n equal vectors gives n - 1
 * pairs.
 *
 * @param width values of a vector
 * @param radius the largest distance of a pair
 */
public record SimilarPairs(int width, double radius) implements Serializable {
  /** Vectors of a matrix product. */
  private static final int ROWS = 256;

  /** Takes a pair by the numbers of its vectors, the lower first. */
  public interface Taken {
    void take(int row, int other);
  }

  /** Compares the vectors at home in a list with each other, and visitors with them. */
  public final class Home {
    private final List<float[]> homes;
    private final Groups groups;
    private int count;

    /**
     * Compares all vectors at home.
     *
     * @param homes [n][d], with the numbers from 0 to n - 1
     */
    public Home(List<float[]> homes, Taken into) {
      this.homes = homes;
      this.groups = new Groups(homes.size());
      this.count = homes.size();
      try (NDManager manager = Torch.manager(Device.cpu())) {
        for (int from = 0; from < homes.size(); from += ROWS) {
          for (int to = from; to < homes.size(); to += ROWS) {
            compare(manager, block(homes, from), block(homes, to)).join(from, to, groups, into);
          }
        }
      }
    }

    /** Compares visitors, whose numbers go on from those before, with the vectors at home. */
    public void visit(List<float[]> visitors, Taken into) {
      try (NDManager manager = Torch.manager(Device.cpu())) {
        for (int from = 0; from < visitors.size(); from += ROWS) {
          List<float[]> some = block(visitors, from);
          List<Set<Integer>> met = new ArrayList<>();
          some.forEach(visitor -> met.add(new HashSet<>()));
          for (int at = 0; at < homes.size(); at += ROWS) {
            List<float[]> others = block(homes, at);
            Compared compared = compare(manager, others, some);
            for (int i = 0; i < others.size(); i++) {
              for (int j = 0; j < some.size(); j++) {
                if (compared.near(i, j) && met.get(j).add(groups.root(at + i))) {
                  into.take(at + i, count + j);
                }
              }
            }
          }
          count += some.size();
        }
      }
    }
  }

  private static List<float[]> block(List<float[]> vectors, int from) {
    return vectors.subList(from, Math.min(vectors.size(), from + ROWS));
  }

  /**
   * Compares vectors that are too many to be held: each with representatives of those before. A
   * vector that is near to none becomes a representative itself. So a vector is paired with the
   * vectors that stand for a group, not with every member of it.
   */
  public final class Stream {
    private final int most;
    private final List<float[]> representatives = new ArrayList<>();
    private final List<Integer> numbers = new ArrayList<>();
    private int count;

    /**
     * An empty stream.
     *
     * @param most representatives that are kept; the first ones are forgotten if there are more
     */
    public Stream(int most) {
      this.most = most;
    }

    /** Compares the next vectors, whose numbers go on from those before. */
    public void add(List<float[]> vectors, Taken into) {
      for (int from = 0; from < vectors.size(); from += ROWS) {
        next(block(vectors, from), into);
      }
    }

    private void next(List<float[]> block, Taken into) {
      boolean[] paired = new boolean[block.size()];
      try (NDManager manager = Torch.manager(Device.cpu())) {
        for (int at = 0; at < representatives.size(); at += ROWS) {
          int others = Math.min(ROWS, representatives.size() - at);
          Compared compared = compare(manager, representatives.subList(at, at + others), block);
          for (int i = 0; i < others; i++) {
            for (int j = 0; j < block.size(); j++) {
              if (!paired[j] && compared.near(i, j)) {
                paired[j] = true;
                into.take(numbers.get(at + i), count + j);
              }
            }
          }
        }
        Compared own = compare(manager, block, block);
        for (int j = 0; j < block.size(); j++) {
          if (paired[j]) {
            continue;
          }
          keep(block.get(j), count + j);
          for (int other = j + 1; other < block.size(); other++) {
            if (!paired[other] && own.near(j, other)) {
              paired[other] = true;
              into.take(count + j, count + other);
            }
          }
        }
      }
      count += block.size();
    }

    private void keep(float[] vector, int number) {
      if (representatives.size() == most) {
        representatives.subList(0, Math.max(1, most / 2)).clear();
        numbers.subList(0, Math.max(1, most / 2)).clear();
      }
      representatives.add(vector);
      numbers.add(number);
    }
  }

  /** Squared distances less the squared norm of the first, [ROWS * ROWS]. */
  private record Compared(float[] scores, double[] bounds, int others) {
    boolean near(int row, int other) {
      return scores[row * ROWS + other] <= bounds[row];
    }

    void join(int from, int to, Groups groups, Taken into) {
      for (int i = 0; i < bounds.length; i++) {
        int first = Math.max(0, from + i + 1 - to);
        for (int j = first; j < others; j++) {
          if (near(i, j) && groups.join(from + i, to + j)) {
            into.take(from + i, to + j);
          }
        }
      }
    }
  }

  private Compared compare(NDManager manager, List<float[]> rows, List<float[]> others) {
    double[] bounds = new double[rows.size()];
    Arrays.setAll(bounds, i -> radius * radius - Codewords.square(rows.get(i), 0, width));
    float[] scores = new float[ROWS * ROWS];
    try (NDManager scope = manager.newSubManager()) {
      NDArray book = padded(scope, others);
      NDArray norms = book.square().sum(new int[] {1});
      Torch.copy(NativeKernels.scores(padded(scope, rows), book, norms), scores, 0, scores.length);
    }
    return new Compared(scores, bounds, others.size());
  }

  /** Filled up to one shape, since a row's last bit depends on it. */
  private NDArray padded(NDManager manager, List<float[]> rows) {
    return Torch.floats(
        manager,
        new Shape(ROWS, width),
        buffer -> {
          rows.forEach(buffer::put);
          buffer.put(new float[buffer.remaining()]);
        });
  }

  /** Which vectors are joined so far (union-find with path halving). */
  private static final class Groups {
    private final int[] parent;

    Groups(int count) {
      parent = new int[count];
      Arrays.setAll(parent, i -> i);
    }

    private int root(int of) {
      int at = of;
      while (parent[at] != at) {
        parent[at] = parent[parent[at]];
        at = parent[at];
      }
      return at;
    }

    /** Joins the groups of two vectors; false if they are one already. */
    boolean join(int a, int b) {
      int first = root(a);
      int second = root(b);
      parent[Math.max(first, second)] = Math.min(first, second);
      return first != second;
    }
  }
}
