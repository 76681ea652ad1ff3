package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.QuantizerSettings.LookupFree;
import io.squeeze.config.SqueezeException;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.List;

/**
 * The signs of a few dimensions are the code, the first dimension its highest bit (LFQ of
 * MAGVIT-v2, arXiv 2310.05737; spherical: BSQ, arXiv 2406.07548).
 *
 * <p>The loss is {@code entropy of a vector's codes - gamma * entropy of the batch's mean}, over
 * softmax probabilities of all codes. These are products over the bits, so the first is a sum over
 * d bits, and the mean over the batch one product of two matrices of 2^(d/2) columns.
 */
final class LookupFreeQuantizer implements Quantizer {
  private static final long serialVersionUID = 1L;
  private static final int CODES = 512;
  private static final int WIDTH = 64;
  private static final double SHORTEST = 1e-12;
  private static final double LEAST_PROBABILITY = 1e-30;
  private static final double REFERENCE_LEAST_PROBABILITY = 1e-5;

  private final int bits;
  private final int parts;
  private final LookupFree options;
  private final boolean quirks;

  /** lfq: linear layers with layer norm and GELU around one to the bits and one back. */
  public static final class Type implements QuantizerType {
    @Override
    public String name() {
      return "lfq";
    }

    @Override
    public Quantizer create(QuantizerSettings settings, int channels) {
      int bottleneck = settings.bottleneckDim(WIDTH);
      LookupFreeQuantizer core = new LookupFreeQuantizer(settings);
      return new Projected(
          new Projection("quantizer.project_in", channels, bottleneck, true, true),
          new Projected(
              Projection.linear("quantizer.bits.project_in", bottleneck, core.width()),
              core,
              Projection.linear("quantizer.bits.project_out", core.width(), bottleneck)),
          new Projection("quantizer.project_out", bottleneck, channels, true, false));
    }
  }

  /** With as many bits as the codebook's size has. */
  LookupFreeQuantizer(QuantizerSettings settings) {
    int codes = settings.codebookSize(CODES);
    if (Integer.bitCount(codes) != 1) {
      int less = Integer.highestOneBit(codes);
      throw SqueezeException.configuration(
          "quantizer.codebook-size is "
              + codes
              + ", but every bit of lfq doubles its codes: take "
              + less
              + " or "
              + 2 * less
              + " (--codebook_size)");
    }
    bits = Integer.numberOfTrailingZeros(codes);
    parts = settings.codebooks();
    options = settings.lookupFree();
    quirks = settings.referenceQuirks();
    if (options.softClamp() != null && options.softClamp() < options.codebookScale()) {
      throw SqueezeException.configuration(
          ("quantizer.lfq.soft-clamp is %s, below codebook-scale %s: no vector would "
                  + "reach its code")
              .formatted(options.softClamp(), options.codebookScale()));
    }
  }

  private int width() {
    return bits * parts;
  }

  @Override
  public int[] codebookSizes() {
    int[] levels = new int[parts];
    Arrays.fill(levels, 1 << bits);
    return levels;
  }

  /** What a bit of a code is worth. */
  private double scale() {
    return options.codebookScale() / (options.spherical() ? Math.sqrt(bits) : 1);
  }

  @Override
  public Quantized quantize(NDArray vectors, Parameters parameters, Mode mode) {
    NDArray z = bounded(vectors);
    NDArray ones = z.stopGradient().gt(0).toType(DataType.INT64, false);
    NDArray codes = ones.mul(basis(z)).sum(new int[] {1}).reshape(-1, parts);
    NDArray q = values(ones);
    NDArray out = Quantizer.straight(z, q, mode);
    NDArray loss = mode.losses() ? loss(z, q) : Quantizer.noLoss(z);
    return new Quantized(out.reshape(-1, width()), codes, List.of(), loss);
  }

  private NDArray loss(NDArray z, NDArray q) {
    // The softmax over -|z - code|^2 leaves each bit the logit 4 T z scale.
    double slope = 4 * options.inverseTemperature() * scale();
    NDArray logits = z.mul(Torch.scalar(z.getManager(), slope));
    NDArray loss =
        sampleEntropy(logits)
            .sub(batchEntropy(logits).mul(scalar(z, options.diversityGamma())))
            .mul(scalar(z, options.entropyWeight()));
    if (options.commitment() > 0) {
      loss = loss.add(z.sub(q).square().mean().mul(scalar(z, options.commitment())));
    }
    return loss.expandDims(0);
  }

  private static NDArray scalar(NDArray beside, double value) {
    return Torch.scalar(beside.getManager(), value);
  }

  /** Mean entropy in nats of a vector's codes. */
  NDArray sampleEntropy(NDArray logits) {
    return quirks
        ? NativeKernels.tableEntropy(logits, REFERENCE_LEAST_PROBABILITY)
        : NativeKernels.bitEntropy(logits);
  }

  /** Entropy in nats of the mean over the batch, the mean over the codebooks. */
  NDArray batchEntropy(NDArray logits) {
    double least = quirks ? REFERENCE_LEAST_PROBABILITY : LEAST_PROBABILITY;
    NDArray apart = logits.reshape(-1, parts, bits);
    NDArray total = null;
    for (int part = 0; part < parts; part++) {
      NDArray own = apart.get(":, " + part);
      NDArray entropy = NativeKernels.entropy(NativeKernels.meanCodes(own), least);
      total = total == null ? entropy : total.add(entropy);
    }
    return total.div(scalar(logits, parts));
  }

  /** Bits int64 [n, d] -> the code's vector. */
  private NDArray values(NDArray ones) {
    NDArray scale = scalar(ones, scale());
    NDArray sign = ones.toType(DataType.FLOAT32, false).mul(2).sub(1);
    return sign.mul(scale);
  }

  private NDArray basis(NDArray beside) {
    return beside.getManager().create(placeValues());
  }

  private long[] placeValues() {
    long[] basis = new long[bits];
    for (int i = 0; i < bits; i++) {
      basis[i] = 1L << (bits - 1 - i);
    }
    return basis;
  }

  private NDArray bounded(NDArray vectors) {
    NDArray z = vectors.reshape(-1, bits);
    if (options.softClamp() != null) {
      NDArray most = Torch.scalar(z.getManager(), options.softClamp());
      z = z.div(most).tanh().mul(most);
    }
    if (options.spherical()) {
      NDArray length = Torch.scalar(z.getManager(), options.codebookScale());
      z = z.normalize(2, 1, SHORTEST).mul(length);
    }
    return z;
  }

  @Override
  public NDArray toSearchSpace(NDArray vectors, Parameters parameters) {
    return bounded(vectors).reshape(-1, width());
  }

  private String basis(ScriptBody body) {
    return body.constant("lfq.basis", HostTensor.of(placeValues(), bits));
  }

  /** A bit is a sign, which bounding leaves. */
  @Override
  public String encodeScript(ScriptBody body, String vectors) {
    String z = body.let("torch.reshape(%s, [-1, %d])", vectors, bits);
    return body.let(
        "torch.reshape(torch.sum(torch.mul(torch.to(torch.gt(%s, 0), 4), %s), [1], False,"
            + " dtype=None), [-1, %d])",
        z, basis(body), parts);
  }

  @Override
  public String decodeScript(ScriptBody body, String codes) {
    String ones =
        body.let(
            "torch.to(torch.remainder(torch.floor_divide(torch.reshape(%s, [-1, 1]), %s), 2), 6)",
            codes, basis(body));
    String signs = body.let("torch.sub(torch.mul(%s, 2), 1, 1)", ones);
    return body.let(
        "torch.reshape(torch.mul(%s, %s), [-1, %d])", signs, ScriptBody.number(scale()), width());
  }

  @Override
  public NDArray decode(NDArray codes, Parameters parameters) {
    long[] two = new long[bits];
    Arrays.fill(two, 2);
    NDArray each = codes.reshape(-1);
    NDArray ones =
        NativeKernels.digits(each.maximum(0), basis(codes), codes.getManager().create(two));
    return Quantizer.present(values(ones), each).reshape(-1, width());
  }
}
