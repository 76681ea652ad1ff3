package io.squeeze.jobs.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Pieces;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** What a codebook sees of vectors, in blocks of one shape. */
final class SearchedBlocks {
  private SearchedBlocks() {}

  /** A block for each, on the threads of the calling task. */
  static List<VectorBlock> of(
      Quantizer quantizer, int codebook, List<VectorBlock> blocks, Map<String, HostTensor> all) {
    VectorBlock[] found = new VectorBlock[blocks.size()];
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, all)) {
      Pieces.run(
          found.length,
          i -> found[i] = searched(quantizer, codebook, blocks.get(i), manager, parameters));
    }
    return Arrays.asList(found);
  }

  private static VectorBlock searched(
      Quantizer quantizer,
      int codebook,
      VectorBlock block,
      NDManager manager,
      Parameters parameters) {
    int width = block.width();
    int count = block.keys().length;
    float[] found = null;
    for (int from = 0; from < count; from += VectorFit.BLOCK) {
      int rows = Math.min(VectorFit.BLOCK, count - from);
      float[] part = Arrays.copyOfRange(block.values(), from * width, (from + rows) * width);
      try (NDManager scope = manager.newSubManager()) {
        NDArray seen =
            quantizer.searched(VectorFit.rows(scope, part, width), parameters).get(codebook);
        float[] values = Torch.tensor(seen).floats();
        int own = values.length / VectorFit.BLOCK;
        found = found == null ? new float[count * own] : found;
        System.arraycopy(values, 0, found, from * own, rows * own);
      }
    }
    return new VectorBlock(block.keys(), found);
  }
}
