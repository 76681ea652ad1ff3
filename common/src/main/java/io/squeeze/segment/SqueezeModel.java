package io.squeeze.segment;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.Settings;
import io.squeeze.config.TrainSettings;
import io.squeeze.quantize.Quantized;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.Quantizer.Mode;
import io.squeeze.segment.SegmentationLoss.Term;
import io.squeeze.torch.GradientScope;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The model that is trained: an optional adapter, a quantizer, and a segmentation head that reads
 * the quantized features. Without a head, the quantizer learns to reconstruct its input. The model
 * holds no tensors.
 */
public final class SqueezeModel implements Serializable {
  private static final long serialVersionUID = 1L;

  private final double quantizerWeight;
  private final SegmentationLoss loss;
  private final Adapter adapter;
  private final Quantizer quantizer;
  private final SegmentationHead head;
  private final int channels;

  /** A model for features of {@code channels} values a vector; its settings' head is known. */
  public SqueezeModel(Settings settings, int channels, int classes) {
    TrainSettings train = settings.train();
    Integer parameters = train.adapterParameters();
    this.quantizerWeight = settings.quantizer().lossWeight();
    this.adapter = parameters == null ? null : Adapter.of(channels, parameters);
    this.quantizer = Quantizer.of(settings.quantizer(), channels);
    this.head = SegmentationHead.of(train.head(), channels, classes);
    this.loss =
        head == null ? null : LossType.named(train.loss().type()).create(train.loss(), classes);
    this.channels = channels;
  }

  /**
   * What the model makes of a batch.
   *
   * @param logits [B, K, H, W] at the size of the mask; null without a head
   * @param features [B * h * w, C], what was quantized
   */
  public record Output(NDArray logits, NDArray features, Quantized quantized) {

    /** The class of each pixel, int64 [B, H, W]. */
    public NDArray prediction() {
      return NativeKernels.argmaxClass(logits);
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
    return channels;
  }

  /** Outputs of the head; 0 without one. */
  public int classes() {
    return head == null ? 0 : head.classes();
  }

  /** The first tensors, drawn from the seed, each by its own name. */
  public Map<String, HostTensor> initial(long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>(quantizer.initial(seed));
    if (adapter != null) {
      tensors.putAll(adapter.initial(seed));
    }
    if (head != null) {
      tensors.putAll(head.initial(seed));
    }
    return tensors;
  }

  /** The names of the tensors that gradients train. */
  public List<String> trained() {
    List<String> names = new ArrayList<>(quantizer.trained());
    if (adapter != null) {
      names.addAll(adapter.trained());
    }
    if (head != null) {
      names.addAll(head.trained());
    }
    return names;
  }

  /**
   * Features to logits.
   *
   * @param features float32 [B, C, h, w]
   * @param mask any array [..., H, W] of the size that the logits shall have
   * @param context of a step of training; {@link ForwardContext#NONE} to evaluate
   */
  public Output forward(
      NDArray features, NDArray mask, Parameters parameters, ForwardContext context) {
    NDArray rows = rows(adapted(features, parameters, context.batchNorm()));
    Quantized quantized = quantizer.quantize(rows, parameters, context.mode());
    if (head == null) {
      return new Output(null, rows, quantized);
    }
    Shape shape = features.getShape();
    NDArray grid = grid(quantized.vectors(), (int) shape.get(2), (int) shape.get(3));
    boolean trained = adapter != null || !quantizer.trained().isEmpty();
    NDArray begin = trained ? GradientScope.cut(grid) : grid;
    NDArray logits = head.logits(begin, parameters, context);
    return new Output(NativeKernels.upsample(logits, mask), rows, quantized);
  }

  /**
   * Scores at the size of the grid: features [B, C, h, w] -> logits [B, K, h, w].
   *
   * @throws IllegalStateException if the model has no head
   */
  public NDArray scores(NDArray features, Parameters parameters) {
    Shape shape = features.getShape();
    NDArray vectors = quantize(features, parameters).vectors();
    NDArray grid = grid(vectors, (int) shape.get(2), (int) shape.get(3));
    return head().logits(grid, parameters, ForwardContext.NONE);
  }

  /** The same of codes: int64 [B * h * w, levels] -> logits [B, K, h, w]. */
  public NDArray scores(NDArray codes, int height, int width, Parameters parameters) {
    NDArray grid = decode(codes, height, width, parameters);
    return head().logits(grid, parameters, ForwardContext.NONE);
  }

  private SegmentationHead head() {
    if (head == null) {
      throw new IllegalStateException("This model has no head");
    }
    return head;
  }

  /** The codes of features alone: [B, C, h, w] -> int64 [B * h * w, levels], row-major. */
  public NDArray codes(NDArray features, Parameters parameters) {
    return quantizer.codes(vectors(features, parameters), parameters);
  }

  /** The codes of features, and what they stand for: [B, C, h, w] -> [B * h * w, C], row-major. */
  public Quantized quantize(NDArray features, Parameters parameters) {
    return quantizer.quantize(vectors(features, parameters), parameters, Mode.EVALUATION);
  }

  /** What the quantizer sees of features: [B, C, h, w] -> [B * h * w, C], row-major. */
  public NDArray vectors(NDArray features, Parameters parameters) {
    return rows(adapted(features, parameters, false));
  }

  /** What each codebook sees of features [B, C, h, w]. */
  public List<NDArray> searched(NDArray features, Parameters parameters) {
    return quantizer.searched(vectors(features, parameters), parameters);
  }

  /**
   * Writes {@link #quantize} as TorchScript.
   *
   * @param features variable that holds float32 [B, C, h, w]
   * @return variable of the codes, int64 [B * h * w, levels]
   */
  public String encodeScript(ScriptBody body, String features) {
    String rows =
        body.let(
            "torch.reshape(torch.permute(%s, [0, 2, 3, 1]), [-1, %d])",
            adaptedScript(body, features), channels);
    return quantizer.encodeScript(body, rows);
  }

  /**
   * Writes {@link #scores(NDArray, int, int, Parameters)} as TorchScript.
   *
   * @param codes variable that holds int64 [B * h * w, levels]
   * @return variable of the logits, float32 [B, K, h, w]
   */
  public String scoresScript(ScriptBody body, String codes, int height, int width) {
    String vectors = quantizer.decodeScript(body, codes);
    String grid =
        body.let(
            "torch.permute(torch.reshape(%s, [-1, %d, %d, %d]), [0, 3, 1, 2])",
            vectors, height, width, channels);
    return head().script(body, grid);
  }

  /** The same where nothing is quantized, of features float32 [B, C, h, w]. */
  public String scoresScript(ScriptBody body, String features) {
    return head().script(body, adaptedScript(body, features));
  }

  private String adaptedScript(ScriptBody body, String features) {
    return adapter == null ? features : adapter.script(body, features);
  }

  private NDArray adapted(NDArray features, Parameters parameters, boolean training) {
    return adapter == null ? features : adapter.adapt(features, parameters, training);
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
   * The loss of a batch, which training minimizes.
   *
   * @param total scalar: the weighted terms, and the weighted loss of the quantizer
   * @param terms of the segmentation loss; without a head the mean squared error of the vectors
   */
  public record Loss(NDArray total, List<Term> terms) {}

  /**
   * The loss of a batch.
   *
   * @param mask int64 [B, H, W], 255 ignored
   */
  public Loss loss(Output output, NDArray mask) {
    List<Term> terms =
        head == null
            ? List.of(new Term("mse", 1, error(output)))
            : loss.terms(output.logits(), mask);
    NDArray total = weighted(output.quantized().loss(), quantizerWeight);
    for (Term term : terms) {
      total = total.add(weighted(term.value(), term.weight()));
    }
    return new Loss(total, terms);
  }

  private static NDArray error(Output output) {
    return output.quantized().vectors().sub(output.features()).square().mean();
  }

  private static NDArray weighted(NDArray value, double weight) {
    return weight == 1 ? value : value.mul(Torch.scalar(value.getManager(), weight));
  }
}
