package io.squeeze.jobs.search;

import io.squeeze.config.Seeds;
import java.io.Serializable;
import org.apache.spark.unsafe.hash.Murmur3_x86_32;

/**
 * Which files the vectors of a list go to. Lists are put into files in their order; a list that is
 * larger than a file has some for itself. The plan depends on the vectors alone, never on the
 * cluster.
 *
 * @param vectors of each list
 * @param first file of each list
 * @param last file of each list
 */
record ListPlan(long[] vectors, int[] first, int[] last) implements Serializable {
  /** Vectors of a file: a task holds their codes. */
  private static final long LEAST = 1L << 18;

  private static final int MOST_FILES = 1024;
  private static final long LARGEST = 1L << 22;

  /** A plan for so many vectors in each list. */
  static ListPlan of(long[] vectors) {
    long all = 0;
    for (long count : vectors) {
      all += count;
    }
    return of(vectors, Math.min(LARGEST, Math.max(LEAST, all / MOST_FILES)));
  }

  static ListPlan of(long[] vectors, long fileSize) {
    int[] first = new int[vectors.length];
    int[] last = new int[vectors.length];
    int file = 0;
    long filled = 0;
    for (int list = 0; list < vectors.length; list++) {
      if (filled > 0 && filled + vectors[list] > fileSize) {
        file++;
        filled = 0;
      }
      first[list] = file;
      file += (int) Math.max(0, (vectors[list] - 1) / fileSize);
      last[list] = file;
      filled = last[list] > first[list] ? fileSize : filled + vectors[list];
    }
    return new ListPlan(vectors, first, last);
  }

  int files() {
    return last[last.length - 1] + 1;
  }

  /** The file of a vector: of a list with several files, a hash decides. */
  int file(int list, String id, int position) {
    int files = last[list] - first[list] + 1;
    if (files == 1) {
      return first[list];
    }
    long hash = Seeds.hash(position, "file of a list", id);
    return first[list] + (int) Long.remainderUnsigned(hash, files);
  }

  /**
   * For each partition, the least number that Spark's partitioning by hash sends there: so rows go
   * to a partition of our choice in Spark's own shuffle.
   */
  static int[] keys(int partitions) {
    int[] keys = new int[partitions];
    java.util.Arrays.fill(keys, -1);
    int found = 0;
    for (int key = 0; found < partitions; key++) {
      int partition = Math.floorMod(Murmur3_x86_32.hashInt(key, 42), partitions);
      if (keys[partition] < 0) {
        keys[partition] = key;
        found++;
      }
    }
    return keys;
  }
}
