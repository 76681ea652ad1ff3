package io.squeeze.codec;

import io.squeeze.metric.CodeUsage;
import java.util.List;

/**
 * How much smaller the codes are than the float32 features, each ratio with its own bytes.
 *
 * @param bitsPerVector at a fixed width
 * @param nominal bits of the vectors by bits of the codes
 * @param packed by the bytes of each sample's packed codes, rounded up
 * @param entropy by the entropy of the codes: what an ideal coder of single codes would need
 * @param stored by the bytes that the codes take in Parquet
 * @param amortized as packed, with the codebook and the projection back counted in
 */
public record Compression(
    double bitsPerVector,
    double nominal,
    double packed,
    double entropy,
    double stored,
    double amortized) {

  /**
   * Counts the bytes of quantized samples.
   *
   * @param samples how many
   * @param positions vectors of a sample
   * @param channels float32 values of a vector
   * @param usage the codes of each level over all samples
   * @param storedBytes of the codes in Parquet
   * @param decoderBytes of what turns codes into features
   */
  public static Compression of(
      long samples,
      int positions,
      int channels,
      List<CodeUsage> usage,
      long storedBytes,
      long decoderBytes) {
    double bits = 0;
    double entropy = 0;
    double packedBytes = 0;
    for (CodeUsage level : usage) {
      bits += BitPacking.bits(level.counts().length);
      entropy += level.entropyBits();
      packedBytes += new BitPacking(level.counts().length).bytes(positions);
    }
    double floatBytes = 4.0 * channels * positions;
    return new Compression(
        bits,
        32.0 * channels / bits,
        floatBytes / packedBytes,
        32.0 * channels / entropy,
        floatBytes * samples / storedBytes,
        floatBytes * samples / (packedBytes * samples + decoderBytes));
  }

  /** Features that were not quantized: only Parquet makes them smaller. */
  public static Compression none(long samples, int positions, int channels, long storedBytes) {
    double floatBytes = 4.0 * channels * positions;
    return new Compression(32.0 * channels, 1, 1, 1, floatBytes * samples / storedBytes, 1);
  }
}
