package io.squeeze.config;

import java.io.Serializable;

/** Batch of a forward pass, and how rows are laid into files. */
public record ExtractSettings(int batchSize, int rowsPerFile, int files, long fileBytes)
    implements Serializable {

  static ExtractSettings from(Section section) {
    return new ExtractSettings(
        section.intIn("batch-size", 1, 4096),
        section.intIn("rows-per-file", 1, Integer.MAX_VALUE),
        section.intIn("files", 1, 100_000),
        section.bytes("file-bytes"));
  }

  /** Rows of one file for a split of {@code rows}: from the data alone, never from the cluster. */
  public long rowsPerFile(long rows, long rowBytes) {
    long bySize = Math.max(1, fileBytes / rowBytes);
    long spread = Math.max(rowsPerFile, (rows + files - 1) / files);
    return Math.min(bySize, spread);
  }
}
