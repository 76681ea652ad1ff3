package io.squeeze.config;

import java.io.Serializable;
import java.util.List;
import java.util.OptionalInt;

/**
 * Batch of a forward pass, what is stored, and how rows are laid into files.
 *
 * @param fixedBatchSize null: by the device
 * @param embeddingDtype auto, float32 or float16
 * @param decodeThreads of a task, ahead of the forward pass
 * @param photos null: all; else this many of each split
 */
public record ExtractSettings(
    Integer fixedBatchSize,
    String embeddingDtype,
    int decodeThreads,
    Integer photos,
    int rowsPerFile,
    int files,
    long fileBytes)
    implements Serializable {
  private static final int CPU_BATCH = 8;
  private static final int GPU_BATCH = 64;

  static ExtractSettings from(Section section) {
    OptionalInt batch = section.optionalIntIn("batch-size", 1, 4096);
    OptionalInt photos = section.optionalIntIn("photos", 1, Integer.MAX_VALUE);
    return new ExtractSettings(
        batch.isPresent() ? batch.getAsInt() : null,
        section.oneOf("embedding-dtype", List.of("auto", "float32", "float16")),
        section.intIn("decode-threads", 1, 256),
        photos.isPresent() ? photos.getAsInt() : null,
        section.intIn("rows-per-file", 1, Integer.MAX_VALUE),
        section.intIn("files", 1, 100_000),
        section.bytes("file-bytes"));
  }

  /** Images of one forward pass. */
  public int batchSize(boolean gpu) {
    return fixedBatchSize != null ? fixedBatchSize : gpu ? GPU_BATCH : CPU_BATCH;
  }

  /** Rows of one file for a split of {@code rows}: from the data alone, never from the cluster. */
  public long rowsPerFile(long rows, long rowBytes) {
    long bySize = Math.max(1, fileBytes / rowBytes);
    long spread = Math.max(rowsPerFile, (rows + files - 1) / files);
    return Math.min(bySize, spread);
  }
}
