package io.squeeze.segment;

import ai.djl.ndarray.NDArray;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.weights.HostTensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The head by which frozen features are compared: batch norm and a 1x1 convolution to the classes,
 * as in the evaluation of DINOv2 (arXiv 2304.07193, section 7.4). It mixes no neighbours, so the
 * IoU says what a single vector knows.
 */
record LinearHead(int channels, int classes) implements SegmentationHead {
  @Override
  public Map<String, HostTensor> initial(long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    SegmentationHead.batchNorm(tensors, "head.0", channels);
    SegmentationHead.uniform(tensors, seed, "head.1.weight", channels, classes, channels, 1, 1);
    SegmentationHead.uniform(tensors, seed, "head.1.bias", channels, classes);
    return tensors;
  }

  @Override
  public List<String> trained() {
    return List.of("head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias");
  }

  @Override
  public String script(ScriptBody body, String features) {
    String x = SegmentationHead.batchNormScript(body, features, "head.0");
    return SegmentationHead.convolutionScript(body, x, "head.1.weight", "head.1.bias", 0);
  }

  @Override
  public NDArray logits(NDArray features, Parameters p, ForwardContext context) {
    NDArray x = SegmentationHead.batchNormed(features, p, "head.0", context.batchNorm());
    return SegmentationHead.point(x, p.get("head.1.weight"), p.get("head.1.bias"));
  }
}
