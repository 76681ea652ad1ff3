package io.squeeze.jobs.extract;

import io.squeeze.config.ExtractSettings;
import io.squeeze.jobs.spark.PartitionInKey;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Decides which file a listed sample goes to. Only the sample's place in the list decides, so the
 * layout is the same on any cluster.
 *
 * @param folder folder of the table below that of the version; empty: the folder of the version
 *     itself
 * @param rows number of samples of each split
 * @param firstNumber first number of the files of each split; files with lower numbers may exist
 *     already
 */
record FilePlan(
    String folder,
    List<String> splits,
    List<Long> rows,
    List<Long> rowsPerFile,
    List<Integer> firstFile,
    List<Integer> firstNumber,
    int files)
    implements Serializable {

  static FilePlan of(
      String folder,
      List<String> splits,
      Map<Integer, Long> rows,
      List<Integer> firstNumber,
      ExtractSettings settings,
      long rowBytes) {
    List<Long> counts = new ArrayList<>();
    List<Long> rowsPerFile = new ArrayList<>();
    List<Integer> firstFile = new ArrayList<>();
    int files = 0;
    for (int split = 0; split < splits.size(); split++) {
      long count = rows.getOrDefault(split, 0L);
      long perFile = settings.rowsPerFile(count, rowBytes);
      counts.add(count);
      rowsPerFile.add(perFile);
      firstFile.add(files);
      files += Math.toIntExact((count + perFile - 1) / perFile);
    }
    return new FilePlan(folder, splits, counts, rowsPerFile, firstFile, firstNumber, files);
  }

  /** The file and the place within it: sorts as the list does. */
  long key(int split, long ordinal) {
    long perFile = rowsPerFile.get(split);
    long file = firstFile.get(split) + ordinal / perFile;
    return PartitionInKey.key(file, ordinal % perFile);
  }

  /** Samples of a file. */
  long rowsOf(int file) {
    int split = split(file);
    long before = (file - firstFile.get(split)) * rowsPerFile.get(split);
    return Math.min(rowsPerFile.get(split), rows.get(split) - before);
  }

  private int split(int file) {
    int split = 0;
    while (split + 1 < splits.size() && firstFile.get(split + 1) <= file) {
      split++;
    }
    return split;
  }

  /** A file's path below the version's folder, but for the attempt that wrote it. */
  String stem(int file) {
    int split = split(file);
    int number = firstNumber.get(split) + file - firstFile.get(split);
    return stem(folder, splits.get(split), number);
  }

  private static String stem(String folder, String split, int number) {
    return String.format(Locale.ROOT, "%ssplit=%s/part-%06d", folder, split, number);
  }

  /** The number in a file's name; -1 if it is none of ours. */
  static int number(String path) {
    String stem = stemOf(path);
    int at = stem.lastIndexOf("/part-");
    return at < 0 ? -1 : Integer.parseInt(stem.substring(at + "/part-".length()));
  }

  /** The stem of a file's path: what stands before the attempt. */
  static String stemOf(String path) {
    int dash = path.indexOf('-', path.lastIndexOf("/part-") + "/part-".length());
    return dash < 0 ? path : path.substring(0, dash);
  }
}
