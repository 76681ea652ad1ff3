package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A quantizer of narrower vectors between a projection to them and one back. */
final class Projected extends AroundQuantizer {
  private static final long serialVersionUID = 1L;

  private final Projection in;
  private final Projection out;
  private final boolean starving;

  /** Gradients reach the projection, whatever the vectors are. */
  Projected(Projection in, Quantizer inner, Projection out) {
    this(in, inner, out, false);
  }

  /**
   * The same, with the reference library's behaviour as a choice.
   *
   * @param starving whether the projection gets no gradient from the output if the vectors
   *     themselves need no gradient, as in the reference library
   */
  Projected(Projection in, Quantizer inner, Projection out, boolean starving) {
    super(inner);
    this.in = in;
    this.out = out;
    this.starving = starving;
  }

  @Override
  public Map<String, HostTensor> initial(long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    in.initial(seed, tensors);
    out.initial(seed, tensors);
    tensors.putAll(inner.initial(seed));
    return tensors;
  }

  @Override
  public List<String> trained() {
    List<String> names = new ArrayList<>(in.names());
    names.addAll(out.names());
    names.addAll(inner.trained());
    return names;
  }

  @Override
  public List<String> decoder() {
    List<String> names = new ArrayList<>(inner.decoder());
    names.addAll(out.names());
    return names;
  }

  @Override
  public boolean additive() {
    return inner.additive() && !out.normalised();
  }

  @Override
  public Quantized quantize(NDArray vectors, Parameters parameters, Mode mode) {
    boolean estimate =
        mode.estimate() && !(starving && !JniUtils.requiresGrad((PtNDArray) vectors));
    Mode narrower = new Mode(mode.training(), mode.losses(), estimate, mode.draw());
    Quantized narrow = inner.quantize(in.apply(vectors, parameters), parameters, narrower);
    return narrow.with(out.apply(narrow.vectors(), parameters));
  }

  @Override
  public NDArray codes(NDArray vectors, Parameters parameters) {
    return inner.codes(in.apply(vectors, parameters), parameters);
  }

  @Override
  public List<NDArray> searched(NDArray vectors, Parameters parameters) {
    return inner.searched(in.apply(vectors, parameters), parameters);
  }

  @Override
  public NDArray decode(NDArray codes, Parameters parameters) {
    return out.apply(inner.decode(codes, parameters), parameters);
  }

  @Override
  public String encodeScript(ScriptBody body, String vectors) {
    return inner.encodeScript(body, in.script(body, vectors));
  }

  @Override
  public String decodeScript(ScriptBody body, String codes) {
    return out.script(body, inner.decodeScript(body, codes));
  }

  @Override
  public NDArray toSearchSpace(NDArray vectors, Parameters parameters) {
    return inner.toSearchSpace(in.apply(vectors, parameters), parameters);
  }
}
