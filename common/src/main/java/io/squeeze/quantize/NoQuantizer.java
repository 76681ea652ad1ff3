package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.torch.Parameters;
import java.util.List;

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
  public int[] codebookSizes() {
    return new int[0];
  }

  @Override
  public Quantized quantize(NDArray vectors, Parameters parameters, Mode mode) {
    return new Quantized(vectors, null, List.of(), Quantizer.noLoss(vectors));
  }

  @Override
  public NDArray decode(NDArray codes, Parameters parameters) {
    throw new UnsupportedOperationException("Nothing was quantized, so there are no codes");
  }
}
