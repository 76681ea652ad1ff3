package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.index.NDIndex;
import io.squeeze.torch.NativeKernels;
import java.util.List;
import java.util.stream.LongStream;

/**
 * The result of quantizing a batch.
 *
 * @param vectors [N, C], what the codes stand for
 * @param codes int64 [N, levels], -1 where a level or a vector was left out; null without
 *     quantization
 * @param searched the vectors that were looked up in each codebook, [n, d] without gradient; null
 *     for a level that was left out; empty if there are no codebooks
 * @param losses the quantizer's own loss, one for each level or one for all: [L]; {@link #loss} is
 *     their mean
 * @param assigned the codes of the vectors that count, int64 [n, levels]
 */
public record Quantized(
    NDArray vectors, NDArray codes, List<NDArray> searched, NDArray losses, NDArray assigned) {

  /** Where every vector counts. */
  public Quantized(NDArray vectors, NDArray codes, List<NDArray> searched, NDArray losses) {
    this(vectors, codes, searched, losses, codes);
  }

  /** Scalar. */
  public NDArray loss() {
    return losses.mean();
  }

  /** The codes of the vectors that were looked up at a level, [n]. */
  public NDArray levelCodes(int level) {
    return assigned.get(new NDIndex(":, " + level));
  }

  /** The codes in the heap, [N * levels], level fastest; null without quantization. */
  public int[] codeValues() {
    return values(codes);
  }

  /** Codes in the heap: int64 [N, levels] -> [N * levels], level fastest; null for null. */
  public static int[] values(NDArray codes) {
    return codes == null
        ? null
        : LongStream.of(codes.reshape(-1).toLongArray()).mapToInt(Math::toIntExact).toArray();
  }

  /** The same with other vectors. */
  Quantized with(NDArray others) {
    return new Quantized(others, codes, searched, losses, assigned);
  }

  /** The same at some rows of a larger batch: zeros and codes of -1 at the others. */
  Quantized scattered(NDArray rows, NDArray like) {
    NDArray spread = NativeKernels.scatter(vectors, rows, like);
    NDArray all = codes == null ? null : NativeKernels.scatterCodes(codes, rows, like);
    return new Quantized(spread, all, searched, losses, assigned);
  }
}
