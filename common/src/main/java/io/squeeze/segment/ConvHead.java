package io.squeeze.segment;

import ai.djl.ndarray.NDArray;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.weights.HostTensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The segmentation head: 3x3 convolution at the features' own width, batch norm, ReLU, 1x1
 * convolution to the classes.
 */
record ConvHead(int channels, int classes) implements SegmentationHead {
  @Override
  public Map<String, HostTensor> initial(long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    int fanIn = channels * 9;
    SegmentationHead.uniform(tensors, seed, "head.0.weight", fanIn, channels, channels, 3, 3);
    SegmentationHead.batchNorm(tensors, "head.1", channels);
    SegmentationHead.uniform(tensors, seed, "head.3.weight", channels, classes, channels, 1, 1);
    SegmentationHead.uniform(tensors, seed, "head.3.bias", channels, classes);
    return tensors;
  }

  @Override
  public List<String> trained() {
    return List.of("head.0.weight", "head.1.weight", "head.1.bias", "head.3.weight", "head.3.bias");
  }

  @Override
  public String script(ScriptBody body, String features) {
    String x = SegmentationHead.convolutionScript(body, features, "head.0.weight", null, 1);
    String active = SegmentationHead.normalisedScript(body, x, "head.1");
    return SegmentationHead.convolutionScript(body, active, "head.3.weight", "head.3.bias", 0);
  }

  @Override
  public NDArray logits(NDArray features, Parameters p, ForwardContext context) {
    NDArray x = SegmentationHead.convolved(features, p.get("head.0.weight"), null, 1);
    NDArray active = SegmentationHead.normalised(x, p, "head.1", context.batchNorm());
    return SegmentationHead.point(active, p.get("head.3.weight"), p.get("head.3.bias"));
  }
}
