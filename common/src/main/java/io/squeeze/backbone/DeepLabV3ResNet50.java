package io.squeeze.backbone;

import io.squeeze.torch.ScriptModule;
import io.squeeze.torch.ScriptProgram;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import io.squeeze.weights.LazyTensor;
import io.squeeze.weights.TensorSource;
import java.util.SplittableRandom;

/**
 * The backbone of torchvision's DeepLabV3 (arXiv 1706.05587): ResNet-50 at stride 8, its last two
 * stages dilated. float32 [B, 3, S, S] -> [B, 2048, S / 8, S / 8], the output of layer4. Batch norm
 * is folded into the convolutions while packing.
 */
public final class DeepLabV3ResNet50 implements Architecture {
  private static final double EPS = 1e-5;
  private static final int[] BLOCKS = {3, 4, 6, 3};

  @Override
  public String name() {
    return "deeplab";
  }

  @Override
  public ElementType embeddingType() {
    return ElementType.F16;
  }

  @Override
  public ScriptProgram program(Weights weights) {
    ScriptModule net = new ScriptModule("DeepLabV3ResNet50");
    folded(net, weights, "conv1", "backbone.conv1", "backbone.bn1", 64, 3, 7);
    long in = 64;
    for (int stage = 0; stage < BLOCKS.length; stage++) {
      long width = 64L << stage;
      for (int block = 0; block < BLOCKS[stage]; block++) {
        String prefix = "backbone.layer" + (stage + 1) + "." + block + ".";
        String name = "layer" + (stage + 1) + "_" + block;
        net.with(name, bottleneck(weights, prefix, block == 0, in, width));
        in = 4 * width;
      }
    }
    return new ScriptProgram(ScriptProgram.resource(DeepLabV3ResNet50.class, "deeplab.py"), net);
  }

  private static ScriptModule bottleneck(
      Weights weights, String prefix, boolean first, long in, long width) {
    ScriptModule module = new ScriptModule(first ? "FirstBottleneck" : "Bottleneck");
    folded(module, weights, "conv1", prefix + "conv1", prefix + "bn1", width, in, 1);
    folded(module, weights, "conv2", prefix + "conv2", prefix + "bn2", width, width, 3);
    folded(module, weights, "conv3", prefix + "conv3", prefix + "bn3", 4 * width, width, 1);
    if (first) {
      String downsample = prefix + "downsample.";
      folded(module, weights, "downsample", downsample + "0", downsample + "1", 4 * width, in, 1);
    }
    return module;
  }

  /** y = (W x - mean) gamma / sqrt(var + eps) + beta, as one convolution. */
  private static void folded(
      ScriptModule module,
      Weights weights,
      String attribute,
      String conv,
      String norm,
      long out,
      long in,
      long kernel) {
    TensorSource weight = weights.raw(conv + ".weight", out, in, kernel, kernel);
    TensorSource gamma = weights.raw(norm + ".weight", out);
    TensorSource beta = weights.raw(norm + ".bias", out);
    TensorSource mean = weights.raw(norm + ".running_mean", out);
    TensorSource variance = weights.raw(norm + ".running_var", out);
    // Over one pixel a convolution is a matrix product over the channels.
    long[] shape = kernel == 1 ? new long[] {out, in} : weight.shape();
    TensorSource scaled =
        new LazyTensor(
            ElementType.F32,
            shape,
            () -> {
              float[] values = HostTensor.of(weight).floats();
              double[] scale = scale(HostTensor.of(gamma), HostTensor.of(variance));
              int each = values.length / scale.length;
              for (int i = 0; i < values.length; i++) {
                values[i] = (float) (values[i] * scale[i / each]);
              }
              return HostTensor.of(values, shape);
            });
    TensorSource shift =
        new LazyTensor(
            ElementType.F32,
            beta.shape(),
            () -> {
              float[] values = HostTensor.of(beta).floats();
              float[] means = HostTensor.of(mean).floats();
              double[] scale = scale(HostTensor.of(gamma), HostTensor.of(variance));
              for (int i = 0; i < values.length; i++) {
                values[i] = (float) (values[i] - means[i] * scale[i]);
              }
              return HostTensor.of(values, beta.shape());
            });
    module.with(attribute + "_weight", weights.packed(scaled));
    module.with(attribute + "_bias", weights.packed(shift));
  }

  private static double[] scale(HostTensor gamma, HostTensor variance) {
    float[] gammas = gamma.floats();
    float[] variances = variance.floats();
    double[] scale = new double[gammas.length];
    for (int i = 0; i < scale.length; i++) {
      scale[i] = gammas[i] / Math.sqrt(variances[i] + EPS);
    }
    return scale;
  }

  /** The two heads, and what batch norm counts. */
  @Override
  public boolean ignores(String name) {
    return name.startsWith("classifier.")
        || name.startsWith("aux_classifier.")
        || name.endsWith(".num_batches_tracked");
  }

  /** torchvision's: Kaiming's normal by fan out for convolutions, batch norm as the identity. */
  @Override
  public HostTensor initial(String name, long[] shape, SplittableRandom random) {
    if (shape.length == 4) {
      double fanOut = (double) shape[0] * shape[2] * shape[3];
      return HostTensor.normal(random, Math.sqrt(2 / fanOut), shape);
    }
    return HostTensor.full(name.endsWith("weight") || name.endsWith("var") ? 1 : 0, shape);
  }
}
