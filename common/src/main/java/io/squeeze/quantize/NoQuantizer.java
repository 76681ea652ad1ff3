package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.List;
import java.util.Map;

/** Leaves features as they are: the baseline. */
public final class NoQuantizer implements Quantizer {
  private static final long serialVersionUID = 1L;

  /** none. */
  public static final class Type implements QuantizerType {
    @Override
    public String name() {
      return "none";
    }

    @Override
    public Quantizer create(QuantizerSettings settings, int channels) {
      return new NoQuantizer();
    }
  }

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
  public Quantized quantize(NDArray vectors, Parameters parameters, Step step) {
    NDArray nothing = Torch.floats(vectors.getManager(), new Shape(1), b -> b.put(0));
    return new Quantized(vectors, null, List.of(), nothing);
  }

  @Override
  public NDArray decode(NDArray codes, Parameters parameters) {
    throw new UnsupportedOperationException("Nothing was quantized, so there are no codes");
  }
}
