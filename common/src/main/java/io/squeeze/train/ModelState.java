package io.squeeze.train;

import io.squeeze.config.OptimizerSettings;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Everything that training moves, by name: the model's tensors, and the optimizer's beside them as
 * {@code optimizer.exp_avg.NAME}, {@code optimizer.exp_avg_sq.NAME} (or {@code
 * optimizer.momentum_buffer.NAME}) and {@code optimizer.step}.
 */
public record ModelState(Map<String, HostTensor> tensors) implements Serializable {
  static final String PREFIX = "optimizer.";
  static final String STEP = PREFIX + "step";

  public ModelState {
    tensors = new LinkedHashMap<>(tensors);
  }

  /** The name of what an optimizer keeps for a tensor. */
  static String slot(String slot, String name) {
    return PREFIX + slot + "." + name;
  }

  /** A model's first tensors with an optimizer that has not stepped. */
  public static ModelState start(
      SqueezeModel model, OptimizerSettings optimizer, Map<String, HostTensor> initial) {
    Map<String, HostTensor> all = new LinkedHashMap<>(initial);
    for (String slot : Optimizer.slots(optimizer)) {
      for (String name : model.trained()) {
        all.put(slot(slot, name), HostTensor.full(0, initial.get(name).shape()));
      }
    }
    all.put(STEP, HostTensor.scalar(0));
    return new ModelState(all);
  }

  /** The model's tensors alone. */
  public Map<String, HostTensor> model() {
    Map<String, HostTensor> model = new LinkedHashMap<>(tensors);
    model.keySet().removeIf(name -> name.startsWith(PREFIX));
    return model;
  }
}
