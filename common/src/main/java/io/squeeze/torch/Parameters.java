package io.squeeze.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.weights.HostTensor;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** The named tensors of a model in native memory; those in {@code trained} ask for gradients. */
public final class Parameters implements AutoCloseable {
  private final NDManager manager;
  private final Map<String, NDArray> arrays = new LinkedHashMap<>();
  private final Map<Class<?>, Object> derived = new HashMap<>();

  /** Copies the tensors into native memory; nothing asks for gradients yet. */
  public Parameters(NDManager parent, Map<String, HostTensor> tensors) {
    manager = parent.newSubManager();
    tensors.forEach((name, tensor) -> arrays.put(name, Torch.array(manager, tensor)));
  }

  public NDArray get(String name) {
    NDArray array = arrays.get(name);
    if (array == null) {
      throw new IllegalArgumentException("Cannot find parameter: " + name);
    }
    return array;
  }

  /** Lets gradients gather at these parameters. */
  public void train(List<String> names) {
    names.forEach(name -> get(name).setRequiresGradient(true));
  }

  /** Replaces the tensor; the value is consumed. */
  public void set(String name, NDArray value) {
    get(name).intern(value);
    synchronized (derived) {
      derived.clear();
    }
  }

  /**
   * What is computed from these parameters once, until one of them is replaced: tables of a search.
   */
  public <T> T derived(Class<T> type, Supplier<T> compute) {
    synchronized (derived) {
      return type.cast(derived.computeIfAbsent(type, missing -> compute.get()));
    }
  }

  /** Copies the tensors back to the heap, in their order. */
  public Map<String, HostTensor> tensors() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    arrays.forEach((name, array) -> tensors.put(name, Torch.tensor(array)));
    return tensors;
  }

  @Override
  public void close() {
    manager.close();
  }
}
