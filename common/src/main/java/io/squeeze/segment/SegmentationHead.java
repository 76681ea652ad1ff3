package io.squeeze.segment;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.norm.BatchNorm;
import io.squeeze.config.Seeds;
import io.squeeze.torch.Convolution;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.List;
import java.util.Map;

/** Turns feature grids into class scores. Holds no tensors: those are parameters. */
interface SegmentationHead extends Serializable {

  /** The head that {@code train.head} names; null for none. */
  static SegmentationHead of(String name, int channels, int classes) {
    return switch (name) {
      case "auto", "conv" -> new ConvHead(channels, classes);
      case "linear" -> new LinearHead(channels, classes);
      case "none" -> null;
      case "deeplab" -> new DeepLabHead(channels, classes);
      default -> throw new IllegalArgumentException("Unknown head: " + name);
    };
  }

  int channels();

  int classes();

  /** The first tensors, drawn from the seed. */
  Map<String, HostTensor> initial(long seed);

  /** The names of the tensors that gradients train. */
  List<String> trained();

  /**
   * [B, C, h, w] -> logits [B, K, h, w]; training moves running means and variances.
   *
   * @param features are in no graph, or begin one ({@link io.squeeze.torch.GradientScope#cut})
   */
  NDArray logits(NDArray features, Parameters parameters, ForwardContext context);

  /**
   * Writes {@link #logits} in evaluation as TorchScript.
   *
   * @param features variable that holds float32 [B, C, h, w]
   * @return variable of the logits, float32 [B, K, h, w]
   */
  String script(ScriptBody body, String features);

  /**
   * A convolution as TorchScript that keeps the size of the grid.
   *
   * @param bias name of its tensor; null for none
   * @param rate of dilation, and the padding; 0 for a convolution over one pixel
   */
  static String convolutionScript(ScriptBody body, String x, String weight, String bias, int rate) {
    int dilation = Math.max(1, rate);
    return body.let(
        "torch.conv2d(%s, %s, %s, [1, 1], [%d, %d], [%d, %d], 1)",
        x,
        body.tensor(weight),
        bias == null ? "None" : body.tensor(bias),
        rate,
        rate,
        dilation,
        dilation);
  }

  /** Batch norm as TorchScript. */
  static String batchNormScript(ScriptBody body, String x, String name) {
    return body.let(
        "torch.batch_norm(%s, %s, %s, %s, %s, False, 0.10000000000000001, 1.0000000000000001e-05,"
            + " False)",
        x,
        body.tensor(name + ".weight"),
        body.tensor(name + ".bias"),
        body.tensor(name + ".running_mean"),
        body.tensor(name + ".running_var"));
  }

  /** The same, then ReLU. */
  static String normalisedScript(ScriptBody body, String x, String name) {
    return body.let("torch.relu(%s)", batchNormScript(body, x, name));
  }

  /** A convolution's weight, from torch's default U(-1/sqrt(fan in), 1/sqrt(fan in)). */
  static void uniform(
      Map<String, HostTensor> tensors, long seed, String name, int fanIn, long... shape) {
    double bound = 1 / Math.sqrt(fanIn);
    tensors.put(name, HostTensor.uniform(Seeds.random(seed, name), bound, shape));
  }

  /** The tensors of batch norm as it begins: the identity. */
  static void batchNorm(Map<String, HostTensor> tensors, String name, int channels) {
    tensors.put(name + ".weight", HostTensor.full(1, channels));
    tensors.put(name + ".bias", HostTensor.full(0, channels));
    tensors.put(name + ".running_mean", HostTensor.full(0, channels));
    tensors.put(name + ".running_var", HostTensor.full(1, channels));
  }

  /**
   * A convolution over one pixel, as a product of matrices: [B, C, h, w] -> [B, K, h, w]. On one
   * thread it is as fast as libtorch's, which tries NNPACK and complains at every call.
   *
   * @param bias [K]; null for none
   */
  static NDArray point(NDArray x, NDArray weight, NDArray bias) {
    Shape shape = x.getShape();
    NDArray flat = x.reshape(shape.get(0), shape.get(1), -1);
    NDArray y = weight.reshape(weight.getShape().get(0), -1).matMul(flat);
    NDArray shifted = bias == null ? y : y.add(bias.expandDims(1));
    return shifted.reshape(shape.get(0), -1, shape.get(2), shape.get(3));
  }

  /**
   * A convolution that keeps the size of the grid.
   *
   * @param bias [K]; null for none
   */
  static NDArray convolved(NDArray x, NDArray weight, NDArray bias, int rate) {
    NDArray y = Convolution.apply(x, weight, rate);
    return bias == null ? y : y.add(bias.reshape(1, -1, 1, 1));
  }

  /** Batch norm, then ReLU. */
  static NDArray normalised(NDArray x, Parameters p, String name, boolean training) {
    return batchNormed(x, p, name, training).getNDArrayInternal().relu();
  }

  /** Batch norm as torch's: momentum .1, eps 1e-5. */
  static NDArray batchNormed(NDArray x, Parameters p, String name, boolean training) {
    Shape shape = x.getShape();
    // A single value has no variance: torch refuses it, its kernel would spoil the running one.
    boolean several = shape.get(0) * shape.get(2) * shape.get(3) > 1;
    // DJL's momentum is the share of the old value: torch's 0.1.
    return BatchNorm.batchNorm(
            x,
            p.get(name + ".running_mean"),
            p.get(name + ".running_var"),
            p.get(name + ".weight"),
            p.get(name + ".bias"),
            -1,
            0.9f,
            1e-5f,
            training && several)
        .singletonOrThrow();
  }
}
