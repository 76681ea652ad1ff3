package io.squeeze.jobs.extract;

import io.squeeze.config.ExtractSettings;
import io.squeeze.jobs.spark.PartitionInKey;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Which file a listed sample goes to: from its place in the list alone, so that the layout is the
 * same on any cluster.
 */
record FilePlan(List<String> splits, List<Long> rowsPerFile, List<Integer> firstFile, int files)
    implements Serializable {

  static FilePlan of(
      List<String> splits, Map<Integer, Long> rows, ExtractSettings settings, long rowBytes) {
    List<Long> rowsPerFile = new ArrayList<>();
    List<Integer> firstFile = new ArrayList<>();
    int files = 0;
    for (int split = 0; split < splits.size(); split++) {
      long count = rows.getOrDefault(split, 0L);
      long perFile = settings.rowsPerFile(count, rowBytes);
      rowsPerFile.add(perFile);
      firstFile.add(files);
      files += Math.toIntExact((count + perFile - 1) / perFile);
    }
    return new FilePlan(splits, rowsPerFile, firstFile, files);
  }

  /** The file and the place within it: sorts as the list does. */
  long key(int split, long ordinal) {
    long perFile = rowsPerFile.get(split);
    long file = firstFile.get(split) + ordinal / perFile;
    return PartitionInKey.key(file, ordinal % perFile);
  }

  /** The split of a file. */
  int split(int file) {
    int split = 0;
    while (split + 1 < splits.size() && firstFile.get(split + 1) <= file) {
      split++;
    }
    return split;
  }

  /** A file's path below the version's folder; the attempt keeps two tries of a task apart. */
  String path(int file, long attempt) {
    int split = split(file);
    int number = file - firstFile.get(split);
    return String.format(
        Locale.ROOT, "split=%s/part-%06d-%d.parquet", splits.get(split), number, attempt);
  }
}
