package io.squeeze.search;

import java.util.Arrays;

/**
 * Codes of many vectors, level by level, to be compared with queries by one lookup a code. Each
 * level is an array of its own, so that a scan reads memory in order.
 */
public final class CodeList {
  /** Vectors whose sums are held at once: they stay in the first cache. */
  private static final int BLOCK = 1024;

  private final Codewords words;
  private final char[][] codes;
  private final float[] vector;
  private final float[] sums = new float[BLOCK];
  private float[] squares = new float[BLOCK];
  private int count;

  /** An empty list of codes of these codewords, at most 65,536 a level. */
  public CodeList(Codewords words) {
    this.words = words;
    this.codes = new char[words.levels()][BLOCK];
    this.vector = new float[words.width()];
  }

  /** Adds the codes of one vector. */
  public void add(int[] levels) {
    if (count == squares.length) {
      int more = Math.addExact(count, Math.max(BLOCK, count / 2));
      squares = Arrays.copyOf(squares, more);
      for (int l = 0; l < codes.length; l++) {
        codes[l] = Arrays.copyOf(codes[l], more);
      }
    }
    for (int l = 0; l < codes.length; l++) {
      codes[l][count] = (char) levels[l];
    }
    words.sum(levels, 0, vector);
    squares[count++] = Codewords.square(vector, 0, vector.length);
  }

  /** Vectors that were added. */
  public int count() {
    return count;
  }

  /**
   * Offers the vectors of some rows with their squared distance to a query, less the squared norm
   * of the query.
   *
   * @param products of {@link Codewords#products}
   * @param query which row of them
   */
  public void scan(float[] products, int query, int from, int to, Nearest into) {
    int table = query * words.entries();
    for (int at = from; at < to; at += BLOCK) {
      int rows = Math.min(BLOCK, to - at);
      System.arraycopy(squares, at, sums, 0, rows);
      for (int l = 0; l < codes.length; l++) {
        add(products, table + words.offset(l), codes[l], at, rows);
      }
      offer(at, rows, into);
    }
  }

  private void add(float[] products, int table, char[] level, int at, int rows) {
    for (int i = 0; i < rows; i++) {
      sums[i] += products[table + level[at + i]];
    }
  }

  private void offer(int at, int rows, Nearest into) {
    float bound = into.bound();
    for (int i = 0; i < rows; i++) {
      if (sums[i] <= bound) {
        into.offer(sums[i], at + i);
        bound = into.bound();
      }
    }
  }
}
