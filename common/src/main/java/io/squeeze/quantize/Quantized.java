package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import java.util.stream.LongStream;

/**
 * What a quantizer makes of a batch.
 *
 * @param features [B, C, h, w], what the codes stand for
 * @param codes int64 [B * h * w, levels], row-major; null without quantization
 * @param searched [B * h * w, d], the vectors that were looked up, without gradient; null as above
 * @param loss scalar, the quantizer's own
 */
public record Quantized(NDArray features, NDArray codes, NDArray searched, NDArray loss) {

  /** The codes in the heap, [B * h * w * levels], level fastest; null without quantization. */
  public int[] codeValues() {
    return codes == null
        ? null
        : LongStream.of(codes.reshape(-1).toLongArray()).mapToInt(Math::toIntExact).toArray();
  }
}
