package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.SqueezeException;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Turns feature vectors into a few bits and back. Holds no tensors: those are parameters. */
public interface Quantizer extends Serializable {
  /** The tensor that is subtracted from every vector, [C], where the settings ask for one. */
  String CENTRE = "quantizer.centre";

  /** The layer to the vectors that are searched. */
  String PROJECT_IN = "quantizer.project_in.weight";

  /** The shift behind that layer. */
  String PROJECT_IN_BIAS = "quantizer.project_in.bias";

  /** The layer back. */
  String PROJECT_OUT = "quantizer.project_out.weight";

  /** The shift behind the layer back. */
  String PROJECT_OUT_BIAS = "quantizer.project_out.bias";

  /** The quantizer that the settings name, for vectors of {@code channels} values. */
  static Quantizer of(QuantizerSettings settings, int channels) {
    Quantizer named = QuantizerType.named(settings.type()).create(settings, channels);
    return settings.centred() ? new Centred(named, channels) : named;
  }

  /**
   * How a batch is quantized.
   *
   * @param training whether a gradient is asked for
   * @param losses whether the loss is asked for
   * @param estimate whether the gradient passes the assignment
   * @param draw what a step of training draws from
   */
  record Mode(boolean training, boolean losses, boolean estimate, long draw) {
    /** Nothing is learned, nothing drawn, no loss. */
    public static final Mode EVALUATION = new Mode(false, false, false, 0);

    /** Nothing is learned, nothing drawn, but the loss is measured. */
    public static final Mode VALIDATION = new Mode(false, true, false, 0);

    /** A step of training. */
    public static Mode training(long draw) {
      return new Mode(true, true, true, draw);
    }
  }

  /**
   * A quantizer of {@code width} values between a linear layer to them and one back; the quantizer
   * itself where the settings take no projection.
   */
  static Quantizer projected(QuantizerSettings settings, int channels, int width, Quantizer inner) {
    if (!settings.projects()) {
      return inner;
    }
    return new Projected(
        Projection.linear("quantizer.project_in", channels, width),
        inner,
        Projection.linear("quantizer.project_out", width, channels),
        settings.referenceQuirks() && inner instanceof VectorQuantizer);
  }

  /** The commitment loss {@code weight * mean (z - q)^2}, [1]; 0 where no loss is asked for. */
  static NDArray commitment(NDArray z, NDArray q, double weight, Mode mode) {
    NDArray factor = Torch.scalar(z.getManager(), mode.losses() ? weight : 0).expandDims(0);
    return mode.losses() ? z.sub(q).square().mean().mul(factor) : factor;
  }

  /** The loss of a quantizer that has none, [1]. */
  static NDArray noLoss(NDArray beside) {
    return Torch.scalar(beside.getManager(), 0).expandDims(0);
  }

  /** Rows [N, d] with zeros where the code [N] is -1. */
  static NDArray present(NDArray rows, NDArray codes) {
    return rows.mul(codes.gte(0).toType(DataType.FLOAT32, false).expandDims(1));
  }

  /** The value of q with, in training, a gradient straight through to z. */
  static NDArray straight(NDArray z, NDArray q, Mode mode) {
    return mode.estimate() ? Estimator.STRAIGHT_THROUGH.pass(z, q) : q;
  }

  /** Codes of each level; empty without quantization. */
  int[] codebookSizes();

  /** The first tensors, drawn from the seed: the codebooks', unless there are others. */
  default Map<String, HostTensor> initial(long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    codebooks().forEach(codebook -> tensors.putAll(codebook.initial(seed)));
    return tensors;
  }

  /** The names of the tensors that gradients train; codebooks follow their vectors without. */
  default List<String> trained() {
    return List.of();
  }

  /** The names of the tensors that turn codes into features. */
  default List<String> decoder() {
    return codebooks().stream().map(EmaCodebook::embed).toList();
  }

  /** The codebooks that follow their vectors, in the order of {@link Quantized#searched}. */
  default List<EmaCodebook> codebooks() {
    return List.of();
  }

  /** Whether the vectors of codes of different levels are orthogonal where codes are searched. */
  default boolean orthogonal() {
    return false;
  }

  /** What improves the codebooks of a fit together; empty where nothing does. */
  default Optional<Refit<?>> refit() {
    return Optional.empty();
  }

  /** Whether the vector of several levels is the sum of what each level stands for. */
  default boolean additive() {
    return true;
  }

  /**
   * Quantizes a batch.
   *
   * @param vectors float32 [N, C]
   */
  Quantized quantize(NDArray vectors, Parameters parameters, Mode mode);

  /**
   * The codes of {@link #quantize} in evaluation, without the vectors that they stand for: [N, C]
   * -> int64 [N, levels]; null without quantization.
   */
  default NDArray codes(NDArray vectors, Parameters parameters) {
    return quantize(vectors, parameters, Mode.EVALUATION).codes();
  }

  /**
   * Quantizes the vectors that a mask leaves: they alone are assigned, counted and averaged into
   * the loss. The others become zeros with codes of -1.
   *
   * @param vectors float32 [N, C]
   * @param mask bool [N], true where a vector counts
   */
  default Quantized quantize(NDArray vectors, NDArray mask, Parameters parameters, Mode mode) {
    NDArray rows = NativeKernels.whereTrue(mask);
    if (rows.size() == 0) {
      throw new IllegalArgumentException("Invalid mask: no vector counts");
    }
    Quantized kept = quantize(NativeKernels.gather(vectors, rows), parameters, mode);
    return kept.scattered(rows, vectors);
  }

  /**
   * The vectors that each codebook gets to search for, from vectors [N, C], if every level takes
   * its nearest code.
   */
  default List<NDArray> searched(NDArray vectors, Parameters parameters) {
    return quantize(vectors, parameters, Mode.EVALUATION).searched();
  }

  /** Moves the codebooks after a step of training; outside of a gradient scope. */
  default void update(Quantized batch, Parameters parameters) {
    List<EmaCodebook> codebooks = codebooks();
    for (int i = 0; i < codebooks.size(); i++) {
      NDArray searched = batch.searched().get(i);
      if (searched != null) {
        codebooks.get(i).update(batch.levelCodes(i), searched, parameters);
      }
    }
  }

  /** Corrects averaged tensors: it computes those again that an average would make wrong. */
  default void rebuild(Map<String, HostTensor> tensors) {
    codebooks().forEach(codebook -> codebook.rebuild(tensors));
  }

  /**
   * The features that codes stand for: int64 [N, levels] -> [N, C]. A code of -1 adds nothing where
   * a vector is a sum over levels.
   */
  NDArray decode(NDArray codes, Parameters parameters);

  /**
   * Writes {@link #quantize} in evaluation as TorchScript.
   *
   * @param vectors variable that holds float32 [N, C]
   * @return variable of the codes, int64 [N, levels]
   * @throws SqueezeException of category configuration if this type has no program
   */
  default String encodeScript(ScriptBody body, String vectors) {
    throw noScript();
  }

  /**
   * Writes {@link #decode} of codes that are all present as TorchScript.
   *
   * @param codes variable that holds int64 [N, levels]
   * @return variable of the vectors, float32 [N, C]
   * @throws SqueezeException of category configuration if this type has no program
   */
  default String decodeScript(ScriptBody body, String codes) {
    throw noScript();
  }

  private SqueezeException noScript() {
    return SqueezeException.configuration(
        "%s cannot be exported: it does not write itself as TorchScript (encodeScript, decodeScript)"
            .formatted(getClass().getName()));
  }

  /**
   * Vectors in the space where codes are searched, [N, C] -> [N, d]: after the projection, if there
   * is one.
   */
  default NDArray toSearchSpace(NDArray vectors, Parameters parameters) {
    return vectors;
  }

  /** The vectors of codes in the space where codes are searched: int64 [N, levels] -> [N, d]. */
  default NDArray codewordsInSearchSpace(NDArray codes, Parameters parameters) {
    return decode(codes, parameters);
  }
}
