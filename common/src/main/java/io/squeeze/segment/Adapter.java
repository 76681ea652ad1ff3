package io.squeeze.segment;

import ai.djl.ndarray.NDArray;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A residual bottleneck before the quantizer: features + (3x3 convolution to {@code width}
 * channels, batch norm, ReLU, 1x1 convolution back). The last convolution begins at zero, so
 * training begins at the features as they are.
 */
record Adapter(int channels, int width) implements Serializable {
  /** The adapter whose number of parameters is nearest to {@code target}. */
  static Adapter of(int channels, long target) {
    // parameters = width * (10 channels + 3) + channels
    long each = 10L * channels + 3;
    long width = Math.max(1, (target - channels + each / 2) / each);
    return new Adapter(channels, Math.toIntExact(width));
  }

  /** Numbers that training moves. */
  long parameters() {
    return width * (10L * channels + 3) + channels;
  }

  Map<String, HostTensor> initial(long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    int fanIn = channels * 9;
    SegmentationHead.uniform(tensors, seed, "adapter.0.weight", fanIn, width, channels, 3, 3);
    SegmentationHead.uniform(tensors, seed, "adapter.0.bias", fanIn, width);
    SegmentationHead.batchNorm(tensors, "adapter.1", width);
    tensors.put("adapter.3.weight", HostTensor.full(0, channels, width, 1, 1));
    tensors.put("adapter.3.bias", HostTensor.full(0, channels));
    return tensors;
  }

  List<String> trained() {
    return List.of(
        "adapter.0.weight",
        "adapter.0.bias",
        "adapter.1.weight",
        "adapter.1.bias",
        "adapter.3.weight",
        "adapter.3.bias");
  }

  /** {@link #adapt} in evaluation as TorchScript. */
  String script(ScriptBody body, String features) {
    String narrow =
        SegmentationHead.convolutionScript(body, features, "adapter.0.weight", "adapter.0.bias", 1);
    String active = SegmentationHead.normalisedScript(body, narrow, "adapter.1");
    String wide =
        SegmentationHead.convolutionScript(body, active, "adapter.3.weight", "adapter.3.bias", 0);
    return body.let("torch.add(%s, %s, alpha=1)", features, wide);
  }

  /** [B, C, h, w] -> [B, C, h, w]. */
  NDArray adapt(NDArray features, Parameters p, boolean training) {
    NDArray narrow =
        SegmentationHead.convolved(features, p.get("adapter.0.weight"), p.get("adapter.0.bias"), 1);
    NDArray active = SegmentationHead.normalised(narrow, p, "adapter.1", training);
    return features.add(
        SegmentationHead.point(active, p.get("adapter.3.weight"), p.get("adapter.3.bias")));
  }
}
