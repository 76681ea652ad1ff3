package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A quantizer of vectors less a centre. Products of vectors that lie far from zero lose in float32
 * what tells the vectors apart; the differences from their mean keep it.
 */
final class Centred extends AroundQuantizer {
  private static final long serialVersionUID = 1L;

  private final int channels;

  Centred(Quantizer inner, int channels) {
    super(inner);
    this.channels = channels;
  }

  private static NDArray centre(Parameters parameters) {
    return parameters.get(CENTRE).expandDims(0);
  }

  /** The centre is zero until a fit finds the mean. */
  @Override
  public Map<String, HostTensor> initial(long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>(inner.initial(seed));
    tensors.put(CENTRE, HostTensor.full(0, channels));
    return tensors;
  }

  @Override
  public List<String> trained() {
    return inner.trained();
  }

  @Override
  public List<String> decoder() {
    List<String> names = new ArrayList<>(inner.decoder());
    names.add(CENTRE);
    return names;
  }

  @Override
  public boolean additive() {
    return inner.additive();
  }

  @Override
  public Quantized quantize(NDArray vectors, Parameters parameters, Mode mode) {
    NDArray centre = centre(parameters);
    Quantized quantized = inner.quantize(vectors.sub(centre), parameters, mode);
    return quantized.with(quantized.vectors().add(centre));
  }

  @Override
  public NDArray codes(NDArray vectors, Parameters parameters) {
    return inner.codes(vectors.sub(centre(parameters)), parameters);
  }

  @Override
  public List<NDArray> searched(NDArray vectors, Parameters parameters) {
    return inner.searched(vectors.sub(centre(parameters)), parameters);
  }

  @Override
  public NDArray decode(NDArray codes, Parameters parameters) {
    return inner.decode(codes, parameters).add(centre(parameters));
  }

  @Override
  public String encodeScript(ScriptBody body, String vectors) {
    String moved = body.let("torch.sub(%s, %s, alpha=1)", vectors, body.tensor(CENTRE));
    return inner.encodeScript(body, moved);
  }

  @Override
  public String decodeScript(ScriptBody body, String codes) {
    String decoded = inner.decodeScript(body, codes);
    return body.let("torch.add(%s, %s, alpha=1)", decoded, body.tensor(CENTRE));
  }

  @Override
  public NDArray toSearchSpace(NDArray vectors, Parameters parameters) {
    return inner.toSearchSpace(vectors.sub(centre(parameters)), parameters);
  }
}
