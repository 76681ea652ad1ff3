package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import io.squeeze.torch.Parameters;
import io.squeeze.weights.HostTensor;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A quantizer that changes vectors before and after another one; codes are those of the other. */
abstract class AroundQuantizer implements Quantizer {
  private static final long serialVersionUID = 1L;

  final Quantizer inner;

  AroundQuantizer(Quantizer inner) {
    this.inner = inner;
  }

  @Override
  public int[] codebookSizes() {
    return inner.codebookSizes();
  }

  @Override
  public List<EmaCodebook> codebooks() {
    return inner.codebooks();
  }

  @Override
  public boolean orthogonal() {
    return inner.orthogonal();
  }

  @Override
  public Optional<Refit<?>> refit() {
    return inner.refit();
  }

  @Override
  public void update(Quantized batch, Parameters parameters) {
    inner.update(batch, parameters);
  }

  @Override
  public void rebuild(Map<String, HostTensor> tensors) {
    inner.rebuild(tensors);
  }

  @Override
  public NDArray codewordsInSearchSpace(NDArray codes, Parameters parameters) {
    return inner.codewordsInSearchSpace(codes, parameters);
  }
}
