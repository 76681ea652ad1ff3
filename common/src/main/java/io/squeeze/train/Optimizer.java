package io.squeeze.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.config.OptimizerSettings;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * AdamW, Adam or SGD as torch computes them, with their state in our hands: DJL's optimizers keep
 * theirs private, so that they could be neither averaged nor saved.
 */
final class Optimizer implements AutoCloseable {
  private final OptimizerSettings settings;
  private final NDManager manager;
  private final Parameters slots;
  private final List<List<NDArray>> ordered = new ArrayList<>();
  private long steps;

  /** Goes on from the optimizer's tensors of a state, for the leaves of these names. */
  Optimizer(NDManager parent, ModelState state, List<String> names, OptimizerSettings settings) {
    this.settings = settings;
    this.manager = parent.newSubManager();
    this.steps = state.tensors().get(ModelState.STEP).longValue();
    Map<String, HostTensor> own = new LinkedHashMap<>(state.tensors());
    own.keySet().removeIf(n -> !n.startsWith(ModelState.PREFIX) || n.equals(ModelState.STEP));
    this.slots = new Parameters(manager, own);
    for (String slot : slots(settings)) {
      ordered.add(names.stream().map(name -> slots.get(ModelState.slot(slot, name))).toList());
    }
  }

  /** What is kept for each leaf, by torch's names. */
  static List<String> slots(OptimizerSettings settings) {
    if (!settings.type().equals("sgd")) {
      return List.of("exp_avg", "exp_avg_sq");
    }
    return settings.momentum() == 0 ? List.of() : List.of("momentum_buffer");
  }

  /** One step, in place; leaves and gradients in the order of the names. */
  void step(List<NDArray> leaves, List<NDArray> gradients, double lr) {
    steps++;
    if (settings.clipNorm() != null) {
      NativeKernels.clip(gradients, settings.clipNorm());
    }
    double decay = settings.weightDecay();
    if (settings.type().equals("sgd")) {
      List<NDArray> buffers = ordered.isEmpty() ? List.of() : ordered.get(0);
      NativeKernels.sgd(leaves, gradients, buffers, lr, decay, settings.momentum());
      return;
    }
    try (NDArray count = Torch.scalar(manager, (double) steps)) {
      NativeKernels.adam(
          leaves,
          gradients,
          ordered.get(0),
          ordered.get(1),
          Collections.nCopies(leaves.size(), count),
          lr,
          decay,
          settings.type().equals("adamw"));
    }
  }

  /** The arrays of the state. */
  List<NDArray> arrays() {
    return ordered.stream().flatMap(List::stream).toList();
  }

  Map<String, HostTensor> tensors() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>(slots.tensors());
    tensors.put(ModelState.STEP, HostTensor.scalar(steps));
    return tensors;
  }

  @Override
  public void close() {
    manager.close();
  }
}
