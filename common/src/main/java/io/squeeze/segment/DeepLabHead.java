package io.squeeze.segment;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import io.squeeze.torch.GradientScope;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * DeepLabV3's head (arXiv 1706.05587, section 3.3): atrous spatial pyramid pooling, then two
 * convolutions. Its tensors have torchvision's names, behind {@code head.}
 */
record DeepLabHead(int channels, int classes) implements SegmentationHead {
  private static final int WIDTH = 256;
  private static final int[] RATES = {12, 24, 36};

  @Override
  public Map<String, HostTensor> initial(long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    conv(tensors, seed, "head.0.convs.0.0", channels, 1);
    SegmentationHead.batchNorm(tensors, "head.0.convs.0.1", WIDTH);
    for (int i = 1; i <= RATES.length; i++) {
      conv(tensors, seed, "head.0.convs." + i + ".0", channels, 3);
      SegmentationHead.batchNorm(tensors, "head.0.convs." + i + ".1", WIDTH);
    }
    conv(tensors, seed, "head.0.convs.4.1", channels, 1);
    SegmentationHead.batchNorm(tensors, "head.0.convs.4.2", WIDTH);
    conv(tensors, seed, "head.0.project.0", 5 * WIDTH, 1);
    SegmentationHead.batchNorm(tensors, "head.0.project.1", WIDTH);
    conv(tensors, seed, "head.1", WIDTH, 3);
    SegmentationHead.batchNorm(tensors, "head.2", WIDTH);
    SegmentationHead.uniform(tensors, seed, "head.4.weight", WIDTH, classes, WIDTH, 1, 1);
    SegmentationHead.uniform(tensors, seed, "head.4.bias", WIDTH, classes);
    return tensors;
  }

  private static void conv(
      Map<String, HostTensor> tensors, long seed, String name, int in, int kernel) {
    int fanIn = in * kernel * kernel;
    SegmentationHead.uniform(tensors, seed, name + ".weight", fanIn, WIDTH, in, kernel, kernel);
  }

  @Override
  public List<String> trained() {
    List<String> names = new ArrayList<>(initial(0).keySet());
    names.removeIf(name -> name.contains(".running_"));
    return names;
  }

  @Override
  public NDArray logits(NDArray features, Parameters p, ForwardContext context) {
    boolean training = context.batchNorm();
    NDList branches = new NDList();
    branches.add(point(features, p, "head.0.convs.0.0", "head.0.convs.0.1", training));
    for (int i = 1; i <= RATES.length; i++) {
      NDArray weight = p.get("head.0.convs." + i + ".0.weight");
      NDArray x = SegmentationHead.convolved(features, weight, null, RATES[i - 1]);
      branches.add(SegmentationHead.normalised(x, p, "head.0.convs." + i + ".1", training));
    }
    // One vector an image, spread over the grid: [B, C, 1, 1] -> [B, 256, h, w].
    Shape shape = features.getShape();
    NDArray flat = features.reshape(shape.get(0), shape.get(1), -1, 1);
    NDArray mean = flat.mean(new int[] {2}, true);
    NDArray pooled = features.hasGradient() ? GradientScope.cut(mean) : mean;
    NDArray spread = point(pooled, p, "head.0.convs.4.1", "head.0.convs.4.2", training);
    branches.add(spread.broadcast(branches.get(0).getShape()));
    NDArray joined = GradientScope.cut(NDArrays.concat(branches, 1));
    NDArray projected = point(joined, p, "head.0.project.0", "head.0.project.1", training);
    NDArray kept = GradientScope.cut(context.dropHalf(projected, "head.0.project.3"));
    NDArray x = SegmentationHead.convolved(kept, p.get("head.1.weight"), null, 1);
    NDArray active = SegmentationHead.normalised(x, p, "head.2", training);
    return SegmentationHead.point(active, p.get("head.4.weight"), p.get("head.4.bias"));
  }

  @Override
  public String script(ScriptBody body, String features) {
    List<String> branches = new ArrayList<>();
    branches.add(pointScript(body, features, "head.0.convs.0.0", "head.0.convs.0.1"));
    for (int i = 1; i <= RATES.length; i++) {
      String name = "head.0.convs." + i;
      String x =
          SegmentationHead.convolutionScript(
              body, features, name + ".0.weight", null, RATES[i - 1]);
      branches.add(SegmentationHead.normalisedScript(body, x, name + ".1"));
    }
    String mean = body.let("torch.mean(%s, [2, 3], True, dtype=None)", features);
    String pooled = pointScript(body, mean, "head.0.convs.4.1", "head.0.convs.4.2");
    branches.add(
        body.let("torch.expand(%s, torch.size(%s), implicit=False)", pooled, branches.get(0)));
    String joined = body.let("torch.cat([%s], 1)", String.join(", ", branches));
    String projected = pointScript(body, joined, "head.0.project.0", "head.0.project.1");
    String x = SegmentationHead.convolutionScript(body, projected, "head.1.weight", null, 1);
    String active = SegmentationHead.normalisedScript(body, x, "head.2");
    return SegmentationHead.convolutionScript(body, active, "head.4.weight", "head.4.bias", 0);
  }

  private static String pointScript(ScriptBody body, String x, String conv, String norm) {
    String y = SegmentationHead.convolutionScript(body, x, conv + ".weight", null, 0);
    return SegmentationHead.normalisedScript(body, y, norm);
  }

  /** A convolution over one pixel, batch norm, ReLU. */
  private static NDArray point(
      NDArray x, Parameters p, String conv, String norm, boolean training) {
    NDArray y = SegmentationHead.convolved(x, p.get(conv + ".weight"), null, 1);
    return SegmentationHead.normalised(y, p, norm, training);
  }
}
