package io.squeeze.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;

/**
 * The ATen operations that DJL does not expose, reached through a TorchScript program of our own
 * ({@code kernels.py}). Gradients flow through the differentiable ones inside a {@link
 * GradientScope}. Results belong to the manager of the first argument.
 */
public final class NativeKernels {
  /** Pieces of a step of the optimizer, each of one thread. */
  private static final int UPDATE_PIECES = 8;

  private NativeKernels() {}

  private static final class Holder {
    static final PtSymbolBlock PROGRAM = load();
  }

  /**
   * The same numbers as float32. The argument may be of a type that the JNI layer knows not, such
   * as bfloat16, which would end the JVM if anybody asked it for its type.
   */
  public static NDArray float32(NDArray x) {
    return plain("float32", x);
  }

  /** Sums of squares of the rounding errors, and of the numbers themselves: float32 [2]. */
  public static NDArray squares(NDArray x, NDArray rounded) {
    return plain("squares", x, rounded);
  }

  /** Bilinear, corners not aligned: [B, C, h, w] -> [B, C, H, W] of {@code like} [.., H, W]. */
  public static NDArray upsample(NDArray x, NDArray like) {
    return differentiable("upsample", x, like);
  }

  /**
   * Mean cross entropy over the pixels whose label is not 255; 0 if there are none.
   *
   * @param logits [B, K, H, W]
   * @param target int64 [B, H, W]
   */
  public static NDArray crossEntropy(NDArray logits, NDArray target) {
    return differentiable("cross_entropy", logits, target);
  }

  /** The same with a weight for each class [K], divided by the weights of the pixels. */
  public static NDArray crossEntropy(NDArray logits, NDArray target, NDArray weights) {
    return differentiable("weighted_cross_entropy", logits, target, weights);
  }

  /**
   * Mean over all classes of {@code 1 - (2 sum pt + 1) / (sum p + sum t + 1)}, sums over the pixels
   * of the batch whose label is not 255: logits [B, K, H, W], target int64 [B, H, W].
   */
  public static NDArray dice(NDArray logits, NDArray target) {
    return differentiable("dice", logits, target);
  }

  /**
   * Focal loss (arXiv 1708.02002, eq. 4): mean of {@code (1 - p)^gamma ce} over the pixels whose
   * label is not 255.
   */
  public static NDArray focal(NDArray logits, NDArray target, double gamma) {
    return differentiable("focal", logits, target, Torch.scalar(logits.getManager(), gamma));
  }

  /**
   * The index of the nearest code in Euclidean distance: z [N, d], codebook [K, d] -> [N]. The last
   * bit of a row depends on the shape of its matrix. Therefore rows are processed in multiples of
   * 64, filled up with zeros, and about a million distances are in memory at a time.
   */
  public static NDArray nearest(NDArray z, NDArray codebook) {
    return plain("nearest", z, codebook);
  }

  /** {@code norms - 2 z c}: z [N, d], codebook [K, d], norms [K] -> [N, K]. */
  public static NDArray scores(NDArray z, NDArray codebook, NDArray norms) {
    return plain("scores", z, codebook, norms);
  }

  /** The rotation R that brings R x nearest to y, of the sums of y x': float64 [d, d] -> [d, d]. */
  public static NDArray rotationTo(NDArray products) {
    return plain("procrustes", products);
  }

  /** codebook [K, d], indices [N] -> [N, d]. */
  public static NDArray lookup(NDArray codebook, NDArray indices) {
    NDArray found = plain("lookup", codebook, indices);
    // A batch's, not the codebook's, which stays.
    found.attach(indices.getManager());
    return found;
  }

  /** How often each index occurs: [N] -> int64 [K]. */
  public static NDArray counts(NDArray indices, NDArray codebook) {
    return plain("counts", indices, codebook);
  }

  /** Sum of the vectors of each index: indices [N], z [N, d] -> [K, d]. */
  public static NDArray sums(NDArray indices, NDArray z, NDArray codebook) {
    return plain("sums", indices, z, codebook);
  }

  /** Rows of x [N, C] with gradients: indices int64 [n] -> [n, C]. */
  public static NDArray gather(NDArray x, NDArray indices) {
    return differentiable("gather", x, indices);
  }

  /** Rows [n, C] to where they belong among zeros: indices int64 [n], like [N, ..] -> [N, C]. */
  public static NDArray scatter(NDArray rows, NDArray indices, NDArray like) {
    return differentiable("scatter", rows, indices, like);
  }

  /** Codes int64 [n, L] to where they belong among codes of -1: like [N, ..] -> [N, L]. */
  public static NDArray scatterCodes(NDArray codes, NDArray indices, NDArray like) {
    return plain("scatter_codes", codes, indices, like);
  }

  /** The places of what is true: bool [N] -> int64 [n]. */
  public static NDArray whereTrue(NDArray mask) {
    return plain("where_true", mask);
  }

  /**
   * Vectors turned and scaled onto others, which count as constants (arXiv 2410.06424): z, q [N, d]
   * -> [N, d], the value of q.
   */
  public static NDArray rotation(NDArray z, NDArray q) {
    return differentiable("rotation", z, q);
  }

  /**
   * Codes of residual vectors by beam search. Every level keeps the {@code width} prefixes with the
   * smallest residual: z [N, d], codebooks [L, K, d] -> int64 [N, L].
   */
  public static NDArray beam(NDArray z, NDArray codebooks, int width) {
    return plain("beam", z, codebooks, scalar(z, width));
  }

  /**
   * Sums of products of the columns, as whole numbers: x [N, d] times scale is rounded, and exact
   * while N times its squares stay below 2^53. float32 [N, d], scale float64 -> int64 [d, d].
   */
  public static NDArray gram(NDArray x, double scale) {
    return plain("gram", x, x.getManager().create(scale));
  }

  /**
   * The principal axes of a covariance float64 [d, d], the widest first, the largest component of
   * each positive: float32 [d, d], an axis a row.
   */
  public static NDArray axes(NDArray covariance) {
    return plain("axes", covariance);
  }

  /**
   * Digits of numbers in a mixed base: numbers int64 [N], place values [d], number of values of
   * each digit [d] -> [N, d].
   */
  public static NDArray digits(NDArray numbers, NDArray basis, NDArray counts) {
    return plain("digits", numbers, basis, counts);
  }

  /** Mean over the rows of the entropy in nats of independent bits with these logits [N, d]. */
  public static NDArray bitEntropy(NDArray logits) {
    return differentiable("bit_entropy", logits);
  }

  /** The same over a table of all 2^d codes, probabilities below {@code least} taken as that. */
  public static NDArray tableEntropy(NDArray logits, double least) {
    return differentiable("table_entropy", logits, Torch.scalar(logits.getManager(), least));
  }

  /** Mean over the rows of the probability of each code of independent bits: [N, d] -> [2^d]. */
  public static NDArray meanCodes(NDArray logits) {
    return differentiable("mean_codes", logits);
  }

  /** Entropy in nats of probabilities, those below {@code least} taken as that in the logarithm. */
  public static NDArray entropy(NDArray probabilities, double least) {
    NDArray smallest = Torch.scalar(probabilities.getManager(), least);
    return differentiable("entropy", probabilities, smallest);
  }

  /**
   * The class of the highest score, the first of equal ones: [B, K, H, W] -> int64 [B, H, W]. Plane
   * by plane, which is several times faster than {@code argmax} over a strided axis.
   */
  public static NDArray argmaxClass(NDArray scores) {
    return plain("most", scores);
  }

  /** Pixels by (target, prediction), target 255 left out: int64 [K, K]. */
  public static NDArray confusion(NDArray prediction, NDArray target, int classes) {
    return plain("confusion", prediction, target, scalar(prediction, classes));
  }

  /**
   * One step of AdamW (arXiv 1711.05101) or Adam (arXiv 1412.6980, decay as an L2 penalty) in
   * torch's arithmetic, in place: betas .9 and .999, eps 1e-8 added behind the bias correction.
   *
   * @param steps float32 scalars, already counting this step
   * @param decoupled AdamW
   */
  public static void adam(
      List<NDArray> parameters,
      List<NDArray> gradients,
      List<NDArray> firstMoments,
      List<NDArray> secondMoments,
      List<NDArray> steps,
      double lr,
      double weightDecay,
      boolean decoupled) {
    Pieces.run(
        UPDATE_PIECES,
        piece ->
            inPlace(
                "adam",
                list(parameters),
                list(gradients),
                list(firstMoments),
                list(secondMoments),
                list(steps),
                IValue.from(lr),
                IValue.from(weightDecay),
                IValue.from(decoupled),
                IValue.from((long) piece),
                IValue.from((long) UPDATE_PIECES)));
  }

  /**
   * One step of stochastic gradient descent in torch's arithmetic, in place.
   *
   * @param buffers of the momentum; empty without
   */
  public static void sgd(
      List<NDArray> parameters,
      List<NDArray> gradients,
      List<NDArray> buffers,
      double lr,
      double weightDecay,
      double momentum) {
    inPlace(
        "sgd",
        list(parameters),
        list(gradients),
        list(buffers),
        IValue.from(lr),
        IValue.from(weightDecay),
        IValue.from(momentum));
  }

  /** Scales gradients in place so that their norm together is at most this (torch's formula). */
  public static void clip(List<NDArray> gradients, double most) {
    inPlace("clip", list(gradients), IValue.from(most));
  }

  /** Whether all numbers of all arrays are finite. */
  public static boolean finite(List<NDArray> arrays) {
    return inPlace("finite", list(arrays)) != 0;
  }

  static long inPlace(String method, IValue... inputs) {
    try (IValue result = IValueUtils.runMethod(Holder.PROGRAM, method, inputs)) {
      return result.toLong();
    } finally {
      for (IValue input : inputs) {
        input.close();
      }
    }
  }

  static IValue list(List<NDArray> arrays) {
    return IValue.listFrom(arrays.stream().map(PtNDArray.class::cast).toArray(PtNDArray[]::new));
  }

  private static NDArray scalar(NDArray beside, long value) {
    return beside.getManager().create(value);
  }

  private static NDArray plain(String method, NDArray... inputs) {
    IValue[] values = new IValue[inputs.length];
    for (int i = 0; i < inputs.length; i++) {
      values[i] = IValue.from((PtNDArray) inputs[i]);
    }
    return made(method, inputs[0].getManager(), values);
  }

  /** What a method gives, without gradients; the inputs are closed. */
  static NDArray made(String method, NDManager manager, IValue... inputs) {
    try (IValue result = IValueUtils.runMethod(Holder.PROGRAM, method, inputs)) {
      return result.toTensor((PtNDManager) manager);
    } finally {
      for (IValue input : inputs) {
        input.close();
      }
    }
  }

  /** DJL chooses a method by the name of an array, and records gradients in its training mode. */
  private static NDArray differentiable(String method, NDArray... inputs) {
    try (NDArray selector = inputs[0].getManager().create(0)) {
      selector.setName("module_method:" + method);
      NDList list = new NDList(inputs);
      list.add(selector);
      return IValueUtils.forward(Holder.PROGRAM, list, true).singletonOrThrow();
    }
  }

  private static PtSymbolBlock load() {
    try {
      ByteArrayOutputStream archive = new ByteArrayOutputStream();
      String source = ScriptProgram.resource(NativeKernels.class, "kernels.py");
      ScriptArchive.write(new ScriptProgram(source, new ScriptModule("Kernels")), archive);
      NDManager forever = Torch.manager(Device.cpu());
      return JniUtils.loadModule(
          (PtNDManager) forever, new ByteArrayInputStream(archive.toByteArray()), false, false);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
