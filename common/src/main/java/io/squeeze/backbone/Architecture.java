package io.squeeze.backbone;

import io.squeeze.torch.ScriptProgram;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * A network whose official weights we pack into a TorchScript program. Implementations are found by
 * {@link #name} through {@code META-INF/services}, or by the name of their class; they need a
 * constructor without parameters.
 */
public interface Architecture {

  /** What {@code --model} calls it. */
  String name();

  /**
   * The program: float32 [B, 3, S, S] -> float32 [B, C, h, w]. It is called once to learn which
   * tensors it asks for, and once to pack them.
   */
  ScriptProgram program(Weights weights);

  /**
   * Draws the first value of a tensor for a program without a checkpoint. It has the distribution
   * that training begins with.
   */
  HostTensor initial(String name, long[] shape, SplittableRandom random);

  /**
   * Translates a tensor's name in a checkpoint to our name. Older and newer files use different
   * names.
   */
  default String canonical(String name) {
    return name;
  }

  /** Whether a checkpoint may hold this tensor although the program does not ask for it. */
  default boolean ignores(String name) {
    return false;
  }

  /** Side of the only square that the network reads, in pixels; 0 for any. */
  default int imageSize() {
    return 0;
  }

  /**
   * The same network with a program that gives all tokens, float32 [B, 1 + h * w, C], the class
   * token first; empty where there is none. Its grid has the same values.
   */
  default Optional<Architecture> withTokens() {
    return Optional.empty();
  }

  /** How features are stored unless {@code extract.embedding-dtype} says otherwise. */
  default ElementType embeddingType() {
    return ElementType.F32;
  }
}
