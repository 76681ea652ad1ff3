package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.List;
import java.util.Map;

/** Leaves features as they are: the baseline. */
public final class NoQuantizer implements Quantizer {
  private static final long serialVersionUID = 1L;

  @Override
  public int[] levels() {
    return new int[0];
  }

  @Override
  public Map<String, HostTensor> initial(long seed) {
    return Map.of();
  }

  @Override
  public List<String> trained() {
    return List.of();
  }

  @Override
  public List<String> decoder() {
    return List.of();
  }

  @Override
  public Quantized quantize(NDArray features, Parameters parameters, boolean training) {
    return new Quantized(features, null, null, Torch.scalar(features.getManager(), 0));
  }

  @Override
  public NDArray decode(NDArray codes, int height, int width, Parameters parameters) {
    throw new UnsupportedOperationException("Nothing was quantized, so there are no codes");
  }
}
