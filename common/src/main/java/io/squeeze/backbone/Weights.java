package io.squeeze.backbone;

import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import io.squeeze.weights.LazyTensor;
import io.squeeze.weights.TensorSource;

/** The tensors that an {@link Architecture} asks for by name, and the type that it packs. */
public final class Weights {
  private final Source source;
  private final ElementType type;

  /** Where tensors come from: a checkpoint, or a generator of random ones. */
  public interface Source {
    /** A tensor of exactly this shape; its bytes are read when it is written. */
    TensorSource get(String name, long... shape);
  }

  public Weights(Source source, ElementType type) {
    this.source = source;
    this.type = type;
  }

  /** A tensor in the type that the program computes in. */
  public TensorSource get(String name, long... shape) {
    return packed(raw(name, shape));
  }

  /** A tensor as it was stored, to compute others from. */
  public TensorSource raw(String name, long... shape) {
    return source.get(name, shape);
  }

  /** The same numbers in the type that the program computes in. */
  public TensorSource packed(TensorSource tensor) {
    return new LazyTensor(type, tensor.shape(), () -> HostTensor.of(tensor).as(type));
  }
}
