package io.squeeze.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.config.TrainSettings;
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
 * AdamW (arXiv 1711.05101) as torch computes it, with its state in our hands: DJL's optimizers keep
 * theirs private, so that they could be neither averaged nor saved.
 */
final class AdamW implements AutoCloseable {
  private final NDManager manager;
  private final List<String> names;
  private final Parameters moments;
  private final double lr;
  private final double weightDecay;
  private long steps;

  AdamW(NDManager parent, ModelState state, List<String> names, TrainSettings settings) {
    this.manager = parent.newSubManager();
    this.names = names;
    this.lr = settings.lr();
    this.weightDecay = settings.weightDecay();
    this.steps = state.tensors().get(ModelState.STEP).longValue();
    Map<String, HostTensor> own = new LinkedHashMap<>(state.tensors());
    own.keySet().removeIf(n -> !n.startsWith("optimizer.") || n.equals(ModelState.STEP));
    this.moments = new Parameters(manager, own);
  }

  /** One step, in place; leaves and gradients in the order of the names. */
  void step(List<NDArray> leaves, List<NDArray> gradients) {
    steps++;
    List<NDArray> first = new ArrayList<>();
    List<NDArray> second = new ArrayList<>();
    for (String name : names) {
      first.add(moments.get(ModelState.FIRST + name));
      second.add(moments.get(ModelState.SECOND + name));
    }
    try (NDArray count = Torch.scalar(manager, (double) steps)) {
      List<NDArray> counts = Collections.nCopies(leaves.size(), count);
      NativeKernels.adamw(leaves, gradients, first, second, counts, lr, weightDecay);
    }
  }

  Map<String, HostTensor> tensors() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>(moments.tensors());
    tensors.put(ModelState.STEP, HostTensor.scalar(steps));
    return tensors;
  }

  @Override
  public void close() {
    manager.close();
  }
}
