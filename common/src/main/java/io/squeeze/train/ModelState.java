package io.squeeze.train;

import io.squeeze.segment.SqueezeModel;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Everything that training moves, by name: the model's tensors, and AdamW's moments and step beside
 * them as {@code optimizer.exp_avg.NAME}, {@code optimizer.exp_avg_sq.NAME}, {@code
 * optimizer.step}.
 */
public record ModelState(Map<String, HostTensor> tensors) implements Serializable {
  static final String FIRST = "optimizer.exp_avg.";
  static final String SECOND = "optimizer.exp_avg_sq.";
  static final String STEP = "optimizer.step";

  public ModelState {
    tensors = new LinkedHashMap<>(tensors);
  }

  /** A model's first tensors with an optimizer that has not stepped. */
  public static ModelState start(SqueezeModel model, Map<String, HostTensor> initial) {
    Map<String, HostTensor> all = new LinkedHashMap<>(initial);
    for (String prefix : new String[] {FIRST, SECOND}) {
      for (String name : model.trained()) {
        all.put(prefix + name, HostTensor.full(0, initial.get(name).shape()));
      }
    }
    all.put(STEP, HostTensor.scalar(0));
    return new ModelState(all);
  }

  /** The model's tensors alone. */
  public Map<String, HostTensor> model() {
    Map<String, HostTensor> model = new LinkedHashMap<>(tensors);
    model.keySet().removeIf(name -> name.startsWith("optimizer."));
    return model;
  }
}
