package io.squeeze.segment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.golden.Golden;
import io.squeeze.golden.HashWeights;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class DeepLabHeadTest {
  private final DeepLabHead head = new DeepLabHead(16, 4);

  @BeforeAll
  static void startTorch() {
    Torch.start(2);
  }

  /** torchvision's order of the state dict, where batch norm counts a place, too. */
  private Map<String, HostTensor> hashed() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    int layer = 0;
    for (Map.Entry<String, HostTensor> entry : head.initial(1).entrySet()) {
      String name = entry.getKey();
      tensors.put(name, HashWeights.tensor(name, layer++, entry.getValue().shape()));
      layer += name.endsWith("running_var") ? 1 : 0;
    }
    return tensors;
  }

  @Test
  void logitsAreTorchvisions() {
    Golden golden = new Golden("deeplab_head_small");
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, hashed())) {
      NDArray logits = head.logits(golden.array(manager, "input"), parameters, ForwardContext.NONE);
      assertThat(Torch.tensor(logits).floats())
          .containsExactly(golden.floats("logits_14x14"), within(1e-4f));
      NDArray up = NativeKernels.upsample(logits, manager.zeros(new Shape(112, 112)));
      assertThat(Torch.tensor(up.get("0:1,0:2")).floats())
          .containsExactly(golden.floats("up112_sample0"), within(1e-4f));
    }
  }

  @Test
  void dropoutFollowsTheSampleNotItsPlaceAndHalvesTheValues() {
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray ones = manager.ones(new Shape(2, 256, 7, 7));
      float[] ab = Torch.tensor(drop(ones, 3, "a", "b")).floats();
      float[] ba = Torch.tensor(drop(ones, 3, "b", "a")).floats();
      int each = 256 * 49;
      assertThat(java.util.Arrays.copyOfRange(ab, 0, each))
          .isEqualTo(java.util.Arrays.copyOfRange(ba, each, 2 * each))
          .containsOnly(0f, 2f)
          .isNotEqualTo(java.util.Arrays.copyOfRange(ab, each, 2 * each));
      assertThat(drop(ones, 3, "a", "b").mean().getFloat()).isCloseTo(1, within(0.03f));
      assertThat(Torch.tensor(drop(ones, 4, "a", "b")).floats()).isNotEqualTo(ab);
    }
  }

  private static NDArray drop(NDArray x, int epoch, String... ids) {
    return new ForwardContext(1, epoch, List.of(ids)).dropHalf(x, "layer");
  }

  @Test
  void aBatchOfOneLeavesTheRunningStatisticsOfThePooledBranchAlone() {
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, hashed())) {
      NDArray one = manager.randomUniform(0, 1, new Shape(1, 16, 14, 14));
      float[] before = Torch.tensor(parameters.get("head.0.convs.4.2.running_var")).floats();
      NDArray logits = head.logits(one, parameters, new ForwardContext(1, 0, List.of("a")));
      assertThat(Torch.tensor(logits).floats()).doesNotContain(Float.NaN);
      assertThat(Torch.tensor(parameters.get("head.0.convs.4.2.running_var")).floats())
          .isEqualTo(before);
      assertThat(Torch.tensor(parameters.get("head.0.convs.0.1.running_var")).floats())
          .isNotEqualTo(Torch.tensor(parameters.get("head.0.convs.4.2.running_var")).floats());
    }
  }
}
