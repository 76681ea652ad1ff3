package io.squeeze.search;

import java.util.Arrays;

/**
 * The k nearest of the rows that were offered, in a stated order where distances are equal. A heap
 * with the farthest on top: an offer that is too far costs one comparison.
 */
public final class Nearest {
  private final int most;
  private final Ties ties;
  private final float[] distances;
  private final int[] rows;
  private int size;

  /** Which of two rows at the same distance comes first: less than zero for the first of them. */
  public interface Ties {
    int compare(int row, int other);
  }

  /** Keeps at most {@code k} rows, of equal ones the lower rows. */
  public Nearest(int k) {
    this(k, Integer::compare);
  }

  /** Keeps at most {@code k} rows. */
  public Nearest(int k, Ties ties) {
    this.most = k;
    this.ties = ties;
    this.distances = new float[k];
    this.rows = new int[k];
  }

  /** Forgets all rows. */
  public void clear() {
    size = 0;
  }

  /** No row that is farther can be kept. */
  public float bound() {
    return size < most ? Float.POSITIVE_INFINITY : distances[0];
  }

  /** Keeps a row if it is among the nearest so far. */
  public void offer(float distance, int row) {
    if (size < most) {
      up(distance, row);
    } else if (farther(distances[0], rows[0], distance, row)) {
      down(distance, row);
    }
  }

  private boolean farther(float a, int rowOfA, float b, int rowOfB) {
    return a > b || (a == b && ties.compare(rowOfA, rowOfB) > 0);
  }

  private void up(float distance, int row) {
    int at = size++;
    while (at > 0) {
      int parent = (at - 1) / 2;
      if (!farther(distance, row, distances[parent], rows[parent])) {
        break;
      }
      put(at, distances[parent], rows[parent]);
      at = parent;
    }
    put(at, distance, row);
  }

  private void down(float distance, int row) {
    int at = 0;
    while (2 * at + 1 < size) {
      int child = 2 * at + 1;
      if (child + 1 < size
          && farther(distances[child + 1], rows[child + 1], distances[child], rows[child])) {
        child++;
      }
      if (!farther(distances[child], rows[child], distance, row)) {
        break;
      }
      put(at, distances[child], rows[child]);
      at = child;
    }
    put(at, distance, row);
  }

  private void put(int at, float distance, int row) {
    distances[at] = distance;
    rows[at] = row;
  }

  /**
   * A row and its distance.
   *
   * @param distance as it was offered
   */
  public record Found(int row, float distance) {}

  /** What is kept, the nearest first. */
  public Found[] sorted() {
    Found[] found = new Found[size];
    Arrays.setAll(found, i -> new Found(rows[i], distances[i]));
    Arrays.sort(
        found,
        (a, b) -> {
          int byDistance = Float.compare(a.distance(), b.distance());
          return byDistance == 0 ? ties.compare(a.row(), b.row()) : byDistance;
        });
    return found;
  }
}
