package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.torch.Parameters;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.List;
import java.util.Map;

/** Turns feature vectors into a few bits and back. Holds no tensors: those are parameters. */
public interface Quantizer extends Serializable {

  /** The quantizer that the settings name, for vectors of {@code channels} values. */
  static Quantizer of(QuantizerSettings settings, int channels) {
    return switch (settings.type()) {
      case "vq" -> new VectorQuantizer(settings, channels);
      case "none" -> new NoQuantizer();
      default -> throw new IllegalArgumentException("Unknown quantizer: " + settings.type());
    };
  }

  /** Codes of each level; empty without quantization. */
  int[] levels();

  /** The first tensors, drawn from the seed. */
  Map<String, HostTensor> initial(long seed);

  /** The names of the tensors that gradients train. */
  List<String> trained();

  /** The names of the tensors that turn codes into features. */
  List<String> decoder();

  /** Puts right what does not survive averaging: called with the averaged tensors. */
  default void rebuild(Map<String, HostTensor> tensors) {}

  /**
   * Quantizes a batch.
   *
   * @param features float32 [B, C, h, w]
   * @param training whether the loss and a gradient are asked for
   */
  Quantized quantize(NDArray features, Parameters parameters, boolean training);

  /** Moves the codebook after a step of training; outside of a gradient scope. */
  default void update(Quantized batch, Parameters parameters) {}

  /** The features that codes stand for: int64 [B * h * w, levels] -> [B, C, h, w]. */
  NDArray decode(NDArray codes, int height, int width, Parameters parameters);
}
