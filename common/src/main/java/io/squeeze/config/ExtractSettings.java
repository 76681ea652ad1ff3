package io.squeeze.config;

import java.io.Serializable;
import java.util.List;
import java.util.Locale;

/**
 * The batch of a forward pass, the stored type, the threads of a task, and the size of the files.
 *
 * @param fixedBatchSize images of a forward pass; null: the device decides
 * @param embeddingDtype auto, float32 or float16
 * @param pool what is stored of a photo beside its grid
 * @param pooledOnly whether this is stored instead of the grid
 * @param fixedDecodeThreads threads of a task that decode ahead of the forward pass; null: the
 *     device decides
 * @param fixedReadThreads threads of a task that read ahead of decoding; null: the place of the
 *     files decides
 * @param photos number of photos of each split; null: all
 * @param ignoreChangedFiles whether a version may grow although photos of it were replaced
 */
public record ExtractSettings(
    Integer fixedBatchSize,
    String embeddingDtype,
    Pool pool,
    boolean pooledOnly,
    Integer fixedDecodeThreads,
    Integer fixedReadThreads,
    Integer photos,
    int rowsPerFile,
    int files,
    long fileBytes,
    boolean ignoreChangedFiles)
    implements Serializable {
  /** How the features of a photo become one vector. */
  public enum Pool {
    NONE,
    MEAN,
    CLS;

    /** As users write it. */
    public String text() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static final int CPU_BATCH = 8;
  private static final int GPU_BATCH = 64;
  private static final int GPU_DECODE_THREADS = 4;
  private static final int FAR_READ_THREADS = 8;

  static ExtractSettings from(Section section, Problems problems) {
    Integer batch = section.optionalIntIn("batch-size", 1, 4096);
    Integer threads = section.optionalIntIn("decode-threads", 0, 256);
    Integer readers = section.optionalIntIn("read-threads", 0, 256);
    Integer photos = section.optionalIntIn("photos", 1, Integer.MAX_VALUE);
    Pool pool =
        Pool.valueOf(
            section.oneOf("pool", List.of("none", "mean", "cls")).toUpperCase(Locale.ROOT));
    boolean pooledOnly = section.bool("pooled-only");
    if (pooledOnly && pool == Pool.NONE) {
      problems.add("extract.pooled-only: set extract.pool (--pool) to mean or cls, too");
    }
    return new ExtractSettings(
        batch,
        section.oneOf("embedding-dtype", List.of("auto", "float32", "float16")),
        pool,
        pooledOnly,
        threads,
        readers,
        photos,
        section.intIn("rows-per-file", 1, Integer.MAX_VALUE),
        section.intIn("files", 1, 100_000),
        section.bytes("file-bytes"),
        section.oneOf("changed-files", List.of("refuse", "ignore")).equals("ignore"));
  }

  /** Images of one forward pass. */
  public int batchSize(boolean gpu) {
    return fixedBatchSize != null ? fixedBatchSize : gpu ? GPU_BATCH : CPU_BATCH;
  }

  /**
   * Number of threads that decode ahead. With 0, the task itself decodes, between forward passes.
   * This is the choice on a CPU: there the forward passes already keep every core busy, and more
   * threads would only compete with them.
   */
  public int decodeThreads(boolean gpu) {
    return fixedDecodeThreads != null ? fixedDecodeThreads : gpu ? GPU_DECODE_THREADS : 0;
  }

  /** Threads that read files ahead; 0 where they are read when they are decoded. */
  public int readThreads(boolean local) {
    return fixedReadThreads != null ? fixedReadThreads : local ? 0 : FAR_READ_THREADS;
  }

  /** Rows of one file for a split of {@code rows}: from the data alone, never from the cluster. */
  public long rowsPerFile(long rows, long rowBytes) {
    long bySize = Math.max(1, fileBytes / rowBytes);
    long spread = Math.max(rowsPerFile, (rows + files - 1) / files);
    return Math.min(bySize, spread);
  }
}
