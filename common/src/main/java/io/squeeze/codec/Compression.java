package io.squeeze.codec;

import io.squeeze.metric.CodeUsage;
import java.util.List;

/**
 * The size of a data set's vectors, counted in five ways. This class alone defines each of them.
 *
 * @param samples grids
 * @param bitsPerVector at a fixed width
 * @param bytes of all samples
 */
public record Compression(long samples, double bitsPerVector, Bytes bytes) {

  /**
   * Sizes in bytes.
   *
   * @param float32 size of the features in float32: four bytes per value
   * @param embeddings size of the features as Parquet stores them; null if they are not stored
   * @param nominal size of the codes at a fixed width, including fractions of a byte
   * @param packed size of the packed codes, where each sample is rounded up to whole bytes
   * @param entropy size of the codes by their entropy: what an ideal coder of single codes would
   *     need
   * @param stored size of the codes as Parquet stores them, read from the footers
   * @param amortized the stored size plus the files that decode: the codebook and the quantizer
   */
  public record Bytes(
      double float32,
      Double embeddings,
      double nominal,
      double packed,
      double entropy,
      double stored,
      double amortized) {

    private Bytes by(long samples) {
      return new Bytes(
          float32 / samples,
          embeddings == null ? null : embeddings / samples,
          nominal / samples,
          packed / samples,
          entropy / samples,
          stored / samples,
          amortized / samples);
    }
  }

  /** How many times smaller; null where there is nothing to divide by. */
  public record Ratios(
      Double nominal, Double packed, Double entropy, Double stored, Double amortized) {

    private static Ratios of(double before, Bytes after) {
      return new Ratios(
          ratio(before, after.nominal()),
          ratio(before, after.packed()),
          ratio(before, after.entropy()),
          ratio(before, after.stored()),
          ratio(before, after.amortized()));
    }

    private static Double ratio(double before, double after) {
      return after > 0 ? before / after : null;
    }
  }

  /**
   * Counts the bytes of quantized samples.
   *
   * @param samples number of samples
   * @param positions vectors of a sample
   * @param channels float32 values of a vector
   * @param usage the codes of each level over all samples
   * @param storedBytes size of the codes in Parquet
   * @param decoderBytes size of the files that turn codes into features
   * @param embeddingBytes size of the features in Parquet; null if they are not stored
   */
  public static Compression of(
      long samples,
      int positions,
      int channels,
      List<CodeUsage> usage,
      long storedBytes,
      long decoderBytes,
      Long embeddingBytes) {
    int[] levels = usage.stream().mapToInt(level -> level.counts().length).toArray();
    double bits = usage.stream().mapToInt(level -> BitPacking.bits(level.counts().length)).sum();
    double entropy = usage.stream().mapToDouble(CodeUsage::entropyBits).sum();
    double vectors = (double) samples * positions;
    Bytes bytes =
        new Bytes(
            4.0 * channels * vectors,
            embeddingBytes == null ? null : (double) embeddingBytes,
            bits * vectors / 8,
            (double) samples * new BitPacking(levels).bytes(positions * levels.length),
            entropy * vectors / 8,
            storedBytes,
            (double) storedBytes + decoderBytes);
    return new Compression(samples, bits, bytes);
  }

  /** Features that were not quantized: only Parquet makes them smaller. */
  public static Compression none(long samples, int positions, int channels, long embeddingBytes) {
    double whole = 4.0 * channels * positions * samples;
    double stored = embeddingBytes;
    Bytes bytes = new Bytes(whole, stored, whole, whole, whole, stored, stored);
    return new Compression(samples, 32.0 * channels, bytes);
  }

  /** The ratios to the features in float32. */
  public Ratios ratios() {
    return Ratios.of(bytes.float32(), bytes);
  }

  /** The ratios to the features as Parquet stores them; null if they are not stored. */
  public Ratios ratiosOfStored() {
    return bytes.embeddings() == null ? null : Ratios.of(bytes.embeddings(), bytes);
  }

  /** The bytes of one sample, on average. */
  public Bytes bytesPerSample() {
    return bytes.by(samples);
  }
}
