package io.squeeze.codec;

import io.squeeze.metric.CodeUsage;
import java.util.List;

/**
 * What the vectors of a data set take, counted in five ways; the one definition of each.
 *
 * @param samples grids
 * @param bitsPerVector at a fixed width
 * @param bytes of all samples
 */
public record Compression(long samples, double bitsPerVector, Bytes bytes) {

  /**
   * Bytes.
   *
   * @param float32 of the features, four a value
   * @param embeddings that the features really take in Parquet; null where they are not stored
   * @param nominal of the codes at a fixed width, fractions of a byte included
   * @param packed of each sample's packed codes, rounded up
   * @param entropy by the entropy of the codes: what an ideal coder of single codes would need
   * @param stored that the codes really take in Parquet, from the footers
   * @param amortized as stored, with the codebook and the projection back counted in
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
   * @param samples how many
   * @param positions vectors of a sample
   * @param channels float32 values of a vector
   * @param usage the codes of each level over all samples
   * @param storedBytes of the codes in Parquet
   * @param decoderBytes of what turns codes into features
   * @param embeddingBytes that the features take in Parquet; null where they are not stored
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

  /** Against the features in float32. */
  public Ratios ratios() {
    return Ratios.of(bytes.float32(), bytes);
  }

  /** Against what the features really take in Parquet; null where they are not stored. */
  public Ratios ratiosOfStored() {
    return bytes.embeddings() == null ? null : Ratios.of(bytes.embeddings(), bytes);
  }

  /** The bytes of one sample, on average. */
  public Bytes bytesPerSample() {
    return bytes.by(samples);
  }
}
