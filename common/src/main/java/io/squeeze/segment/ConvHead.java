package io.squeeze.segment;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.norm.BatchNorm;
import io.squeeze.config.Seeds;
import io.squeeze.torch.Parameters;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The segmentation head: 3x3 convolution at the features' own width, batch norm, ReLU, 1x1
 * convolution to the classes.
 */
record ConvHead(int channels, int classes) implements Serializable {
  private static final Shape ONE = new Shape(1, 1);

  /** torch's defaults: U(-1/sqrt(fan in), 1/sqrt(fan in)) for convolutions. */
  Map<String, HostTensor> initial(long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    uniform(tensors, seed, "head.0.weight", channels * 9, channels, channels, 3, 3);
    tensors.put("head.1.weight", HostTensor.full(1, channels));
    tensors.put("head.1.bias", HostTensor.full(0, channels));
    tensors.put("head.1.running_mean", HostTensor.full(0, channels));
    tensors.put("head.1.running_var", HostTensor.full(1, channels));
    uniform(tensors, seed, "head.3.weight", channels, classes, channels, 1, 1);
    uniform(tensors, seed, "head.3.bias", channels, classes);
    return tensors;
  }

  private static void uniform(
      Map<String, HostTensor> tensors, long seed, String name, int fanIn, long... shape) {
    double bound = 1 / Math.sqrt(fanIn);
    tensors.put(name, HostTensor.uniform(Seeds.random(seed, name), bound, shape));
  }

  List<String> trained() {
    return List.of("head.0.weight", "head.1.weight", "head.1.bias", "head.3.weight", "head.3.bias");
  }

  /** [B, C, h, w] -> logits [B, K, h, w]; training moves the running mean and variance. */
  NDArray logits(NDArray features, Parameters p, boolean training) {
    NDArray x = Conv2d.conv2d(features, p.get("head.0.weight"), null, ONE, ONE).singletonOrThrow();
    // DJL's momentum is the share of the old value: torch's 0.1.
    NDArray normed =
        BatchNorm.batchNorm(
                x,
                p.get("head.1.running_mean"),
                p.get("head.1.running_var"),
                p.get("head.1.weight"),
                p.get("head.1.bias"),
                -1,
                0.9f,
                1e-5f,
                training)
            .singletonOrThrow();
    NDArray active = normed.getNDArrayInternal().relu();
    return Conv2d.conv2d(active, p.get("head.3.weight"), p.get("head.3.bias")).singletonOrThrow();
  }
}
