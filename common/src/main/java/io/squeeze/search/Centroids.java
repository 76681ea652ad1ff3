package io.squeeze.search;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.quantize.KMeans;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import java.io.Serializable;

/**
 * The centroids of lists, [L, d].
 *
 * @param values one centroid after the other
 */
public record Centroids(float[] values, int width) implements Serializable {
  /** Vectors of a matrix product: one shape for all, since a row's last bit depends on it. */
  private static final int ROWS = 64;

  /** Lists whose boundaries are looked at, for each that is kept: the nearest ones. */
  private static final int LOOKED_AT = 4;

  /** How many there are. */
  public int count() {
    return values.length / width;
  }

  /** What a vector's distances to all centroids are given to. */
  public interface Distances {
    /**
     * Takes the squared distances of a vector, less its own squared norm.
     *
     * @param scores holds them from {@code from} on, one for each centroid
     */
    void take(int vector, float[] scores, int from);
  }

  /** Measures vectors [n][d] against all centroids. */
  public void measure(float[][] vectors, Distances into) {
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray book = Torch.floats(manager, new Shape(count(), width), b -> b.put(values));
      NDArray norms = book.square().sum(new int[] {1});
      float[] scores = new float[ROWS * count()];
      for (int at = 0; at < vectors.length; at += ROWS) {
        int first = at;
        int rows = Math.min(ROWS, vectors.length - at);
        try (NDManager scope = manager.newSubManager()) {
          NDArray some =
              Torch.floats(
                  scope,
                  new Shape(ROWS, width),
                  b -> {
                    for (int i = 0; i < rows; i++) {
                      b.put(vectors[first + i]);
                    }
                    b.put(new float[b.remaining()]);
                  });
          Torch.copy(NativeKernels.scores(some, book, norms), scores, 0, scores.length);
          for (int i = 0; i < rows; i++) {
            into.take(first + i, scores, i * count());
          }
        }
      }
    }
  }

  /** The lists nearest to each vector, the nearest first: [n][probes]. */
  public int[][] nearest(float[][] vectors, int probes) {
    int[][] lists = new int[vectors.length][];
    Nearest kept = new Nearest(Math.min(probes, count()));
    measure(
        vectors,
        (vector, scores, from) -> {
          kept.clear();
          for (int list = 0; list < count(); list++) {
            kept.offer(scores[from + list], list);
          }
          Nearest.Found[] found = kept.sorted();
          lists[vector] = new int[found.length];
          java.util.Arrays.setAll(lists[vector], i -> found[i].row());
        });
    return lists;
  }

  /**
   * The nearest list of each vector, its home, and the other lists where a vector at most a radius
   * away can be at home. The boundary between a home A and a list B is not farther than the radius
   * if {@code |x - B|^2 - |x - A|^2 <= 2 radius |A - B|}.
   *
   * @param most lists beside the home, those with the nearest boundaries
   * @return [n], each with the home first
   */
  public int[][] around(float[][] vectors, double radius, int most) {
    int[][] near = nearest(vectors, 1 + LOOKED_AT * most);
    Nearest kept = new Nearest(most);
    int[][] lists = new int[vectors.length][];
    for (int i = 0; i < vectors.length; i++) {
      int home = near[i][0];
      double own = squared(vectors[i], 0, home);
      kept.clear();
      for (int n = 1; n < near[i].length; n++) {
        int list = near[i][n];
        double between = Math.sqrt(squared(values, home * width, list));
        double apart = squared(vectors[i], 0, list) - own;
        double boundary = between > 0 ? apart / (2 * between) : 0;
        if (boundary <= radius) {
          kept.offer((float) boundary, list);
        }
      }
      Nearest.Found[] found = kept.sorted();
      lists[i] = new int[found.length + 1];
      lists[i][0] = home;
      for (int n = 0; n < found.length; n++) {
        lists[i][n + 1] = found[n].row();
      }
    }
    return lists;
  }

  /** The squared distance of a vector to a centroid. */
  private double squared(float[] vector, int from, int list) {
    return KMeans.squared(vector, from, values, list * width, width);
  }
}
