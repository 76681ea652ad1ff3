package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.LayerNorm;
import io.squeeze.config.Seeds;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.List;
import java.util.Map;

/**
 * A linear layer, with layer norm and GELU behind it where asked for.
 *
 * @param name of its tensors; those of several layers are numbered as torch's Sequential does
 */
record Projection(String name, int in, int out, boolean normalised, boolean activated)
    implements Serializable {
  private static final float EPS = 1e-5f;

  static Projection linear(String name, int in, int out) {
    return new Projection(name, in, out, false, false);
  }

  private String weight() {
    return name + (normalised ? ".0" : "") + ".weight";
  }

  private String bias() {
    return name + (normalised ? ".0" : "") + ".bias";
  }

  List<String> names() {
    return normalised
        ? List.of(weight(), bias(), name + ".1.weight", name + ".1.bias")
        : List.of(weight(), bias());
  }

  /** Torch's default: U(-1/sqrt(in), 1/sqrt(in)). */
  void initial(long seed, Map<String, HostTensor> tensors) {
    double bound = 1 / Math.sqrt(in);
    tensors.put(weight(), HostTensor.uniform(Seeds.random(seed, weight()), bound, out, in));
    tensors.put(bias(), HostTensor.uniform(Seeds.random(seed, bias()), bound, out));
    if (normalised) {
      tensors.put(name + ".1.weight", HostTensor.full(1, out));
      tensors.put(name + ".1.bias", HostTensor.full(0, out));
    }
  }

  /**
   * Turns the vectors between the two projections.
   *
   * @param rotation [d, d]
   */
  static void turn(Map<String, HostTensor> tensors, double[] rotation, int width) {
    HostTensor in = tensors.get(Quantizer.PROJECT_IN);
    HostTensor out = tensors.get(Quantizer.PROJECT_OUT);
    int channels = (int) in.shape()[1];
    float[] to = in.floats();
    float[] shift = tensors.get(Quantizer.PROJECT_IN_BIAS).floats();
    float[] back = out.floats();
    float[] newTo = new float[to.length];
    float[] newShift = new float[width];
    float[] newBack = new float[back.length];
    for (int i = 0; i < width; i++) {
      double[] row = new double[channels];
      double moved = 0;
      for (int k = 0; k < width; k++) {
        double share = rotation[i * width + k];
        moved += share * shift[k];
        for (int j = 0; j < channels; j++) {
          row[j] += share * to[k * channels + j];
        }
      }
      newShift[i] = (float) moved;
      for (int j = 0; j < channels; j++) {
        newTo[i * channels + j] = (float) row[j];
        double sum = 0;
        for (int k = 0; k < width; k++) {
          sum += rotation[i * width + k] * back[j * width + k];
        }
        newBack[j * width + i] = (float) sum;
      }
    }
    tensors.put(Quantizer.PROJECT_IN, HostTensor.of(newTo, width, channels));
    tensors.put(Quantizer.PROJECT_IN_BIAS, HostTensor.of(newShift, width));
    tensors.put(Quantizer.PROJECT_OUT, HostTensor.of(newBack, channels, width));
  }

  /** The same as TorchScript. */
  String script(ScriptBody body, String rows) {
    String y =
        body.let("torch.linear(%s, %s, %s)", rows, body.tensor(weight()), body.tensor(bias()));
    if (normalised) {
      y =
          body.let(
              "torch.layer_norm(%s, [%d], %s, %s, %s, True)",
              y,
              out,
              body.tensor(name + ".1.weight"),
              body.tensor(name + ".1.bias"),
              ScriptBody.number(EPS));
    }
    return activated ? body.let("torch.gelu(%s)", y) : y;
  }

  /** [N, in] -> [N, out]. */
  NDArray apply(NDArray rows, Parameters p) {
    NDArray y = Linear.linear(rows, p.get(weight()), p.get(bias())).singletonOrThrow();
    if (normalised) {
      NDArray gain = p.get(name + ".1.weight");
      NDArray shift = p.get(name + ".1.bias");
      y = LayerNorm.layerNorm(y, new Shape(out), gain, shift, EPS).singletonOrThrow();
    }
    return activated ? Activation.gelu(y) : y;
  }
}
