package io.squeeze.torch;

import io.squeeze.weights.TensorSource;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A module of a TorchScript program: the name of its class in the program's source, and its
 * attributes (tensors and modules) in the order in which the source declares them.
 */
public final class ScriptModule {
  private final String className;
  private final Map<String, Object> attributes = new LinkedHashMap<>();

  public ScriptModule(String className) {
    this.className = className;
  }

  public ScriptModule with(String name, TensorSource tensor) {
    attributes.put(name, tensor);
    return this;
  }

  public ScriptModule with(String name, ScriptModule module) {
    attributes.put(name, module);
    return this;
  }

  /** A program of another archive as a module of this one. */
  public ScriptModule with(String name, EmbeddedProgram program) {
    attributes.put(name, program);
    return this;
  }

  String className() {
    return className;
  }

  Map<String, Object> attributes() {
    return attributes;
  }
}
