package io.squeeze.jobs.fit;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Pieces;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Vectors in blocks of one shape: a row's last bit depends on the shape of its block. */
public final class Blocks {
  /** Rows of a block that is quantized. */
  public static final int ROWS = 256;

  private Blocks() {}

  /** Vectors [n, C] filled up with zeros to [256, C]. */
  public static NDArray rows(NDManager manager, float[] values, int width) {
    return Torch.floats(
        manager, new Shape(ROWS, width), b -> b.put(values).put(new float[b.remaining()]));
  }

  /** What a codebook sees of vectors, on the threads of the calling task. */
  static List<VectorBlock> searched(
      Quantizer quantizer, int codebook, List<VectorBlock> blocks, Map<String, HostTensor> all) {
    VectorBlock[] found = new VectorBlock[blocks.size()];
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, all)) {
      Pieces.run(
          found.length,
          i ->
              found[i] =
                  mapped(
                      blocks.get(i),
                      manager,
                      rows -> quantizer.searched(rows, parameters).get(codebook)));
    }
    return Arrays.asList(found);
  }

  /** Vectors where the quantizer searches. */
  static VectorBlock located(
      Quantizer quantizer, VectorBlock block, NDManager manager, Parameters parameters) {
    return mapped(block, manager, rows -> quantizer.toSearchSpace(rows, parameters));
  }

  private static VectorBlock mapped(
      VectorBlock block, NDManager manager, UnaryOperator<NDArray> map) {
    int width = block.width();
    int count = block.keys().length;
    float[] found = null;
    for (int from = 0; from < count; from += ROWS) {
      int rows = Math.min(ROWS, count - from);
      float[] part = Arrays.copyOfRange(block.values(), from * width, (from + rows) * width);
      try (NDManager scope = manager.newSubManager()) {
        float[] values = Torch.tensor(map.apply(rows(scope, part, width))).floats();
        int own = values.length / ROWS;
        found = found == null ? new float[count * own] : found;
        System.arraycopy(values, 0, found, from * own, rows * own);
      }
    }
    return new VectorBlock(block.keys(), found);
  }
}
