package io.squeeze.segment;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.quantize.Quantized;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.Quantizer.Step;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What is trained: a quantizer, and a segmentation head on what it leaves. Holds no tensors. */
public final class SqueezeModel implements Serializable {
  private static final long serialVersionUID = 1L;

  private final QuantizerSettings settings;
  private final Quantizer quantizer;
  private final SegmentationHead head;

  /** A model with the head that suits any backbone. */
  public SqueezeModel(QuantizerSettings settings, int channels, int classes) {
    this(settings, "conv", channels, classes);
  }

  /**
   * A model for features of {@code channels} values a vector.
   *
   * @param head conv or deeplab
   */
  public SqueezeModel(QuantizerSettings settings, String head, int channels, int classes) {
    this.settings = settings;
    this.quantizer = Quantizer.of(settings, channels);
    this.head = SegmentationHead.of(head, channels, classes);
  }

  /**
   * What the model makes of a batch.
   *
   * @param logits [B, K, H, W] at the size of the mask
   */
  public record Output(NDArray logits, Quantized quantized) {

    /** The class of each pixel, int64 [B, H, W]. */
    public NDArray prediction() {
      return logits.argMax(1);
    }

    /** The same in the heap, a byte a pixel. */
    public byte[] masks() {
      return prediction().toType(DataType.UINT8, false).toByteArray();
    }
  }

  public Quantizer quantizer() {
    return quantizer;
  }

  /** Values of a feature vector. */
  public int channels() {
    return head.channels();
  }

  public int classes() {
    return head.classes();
  }

  /** The first tensors, drawn from the seed, each by its own name. */
  public Map<String, HostTensor> initial(long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>(quantizer.initial(seed));
    tensors.putAll(head.initial(seed));
    return tensors;
  }

  /** The names of the tensors that gradients train. */
  public List<String> trained() {
    List<String> names = new ArrayList<>(quantizer.trained());
    names.addAll(head.trained());
    return names;
  }

  /**
   * Features to logits.
   *
   * @param features float32 [B, C, h, w]
   * @param mask any array [..., H, W] of the size that the logits shall have
   * @param noise of a step of training; {@link Noise#NONE} to evaluate
   */
  public Output forward(NDArray features, NDArray mask, Parameters parameters, Noise noise) {
    Quantized quantized = quantizer.quantize(rows(features), parameters, noise.step());
    Shape shape = features.getShape();
    NDArray grid = grid(quantized.vectors(), (int) shape.get(2), (int) shape.get(3));
    NDArray logits = head.logits(grid, parameters, noise);
    return new Output(NativeKernels.upsample(logits, mask), quantized);
  }

  /** The codes of features alone: [B, C, h, w] -> int64 [B * h * w, levels], row-major. */
  public Quantized quantize(NDArray features, Parameters parameters) {
    return quantizer.quantize(rows(features), parameters, Step.EVALUATION);
  }

  /** The features that codes stand for: int64 [B * h * w, levels] -> [B, C, h, w]. */
  public NDArray decode(NDArray codes, int height, int width, Parameters parameters) {
    return grid(quantizer.decode(codes, parameters), height, width);
  }

  /** [B, C, h, w] -> [B * h * w, C], row-major. */
  public static NDArray rows(NDArray features) {
    return features.transpose(0, 2, 3, 1).reshape(-1, features.getShape().get(1));
  }

  /** [B * h * w, C] -> [B, C, h, w]. */
  static NDArray grid(NDArray rows, int height, int width) {
    return rows.reshape(-1, height, width, rows.getShape().get(1)).transpose(0, 3, 1, 2);
  }

  /**
   * Cross entropy over the pixels that count, plus the weighted loss of the quantizer.
   *
   * @param mask int64 [B, H, W], 255 ignored
   */
  public NDArray loss(Output output, NDArray mask) {
    NDArray segmentation = NativeKernels.crossEntropy(output.logits(), mask);
    NDArray weight = Torch.scalar(segmentation.getManager(), settings.lossWeight());
    return segmentation.add(output.quantized().loss().mul(weight));
  }
}
