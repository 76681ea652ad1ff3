package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.SqueezeException;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntToDoubleFunction;

/**
 * Bounds each of a few dimensions and rounds it to a few values; the code is their number in a
 * mixed base, the first dimension fastest (FSQ, arXiv 2309.15505). There is no codebook and no
 * loss.
 */
final class FiniteScalarQuantizer implements Quantizer {
  private static final long serialVersionUID = 1L;
  private static final int WIDTH = 256;

  /** Table 1 of the paper, for 2^8, 2^10, 2^12, 2^14, 2^16 codes. */
  private static final List<List<Integer>> PUBLISHED =
      List.of(
          List.of(8, 6, 5),
          List.of(8, 5, 5, 5),
          List.of(7, 5, 5, 5, 5),
          List.of(8, 8, 8, 6, 5),
          List.of(8, 8, 8, 5, 5, 5));

  private final int[] values;
  private final int parts;
  private final boolean symmetric;

  /** fsq: a linear layer to the bottleneck, one to the few dimensions, and both ways back. */
  public static final class Type implements QuantizerType {
    @Override
    public String name() {
      return "fsq";
    }

    @Override
    public Quantizer create(QuantizerSettings settings, int channels) {
      int bottleneck = settings.bottleneckDim(WIDTH);
      FiniteScalarQuantizer core = new FiniteScalarQuantizer(settings);
      return new Projected(
          Projection.linear("quantizer.project_in", channels, bottleneck),
          new Projected(
              Projection.linear("quantizer.levels.project_in", bottleneck, core.width()),
              core,
              Projection.linear("quantizer.levels.project_out", core.width(), bottleneck)),
          Projection.linear("quantizer.project_out", bottleneck, channels));
    }
  }

  /** With the values of each dimension as set, or as published for the codebook's size. */
  FiniteScalarQuantizer(QuantizerSettings settings) {
    values = levelsOf(settings).stream().mapToInt(Integer::intValue).toArray();
    parts = settings.codebooks();
    symmetric = settings.finite().symmetric();
    if (Arrays.stream(values).asDoubleStream().reduce(1, (a, b) -> a * b) > Integer.MAX_VALUE) {
      throw SqueezeException.configuration(
          "quantizer.fsq.levels " + Arrays.toString(values) + " make more than 2^31 codes");
    }
    if (symmetric || Arrays.stream(values).allMatch(v -> v > 2)) {
      return;
    }
    throw SqueezeException.configuration(
        "quantizer.fsq.levels "
            + Arrays.toString(values)
            + " holds a dimension of 2 values: that takes quantizer.fsq.symmetric = true");
  }

  /** The values of each dimension that settings come to. */
  static List<Integer> levelsOf(QuantizerSettings settings) {
    List<Integer> levels = settings.finite().fsqLevels();
    Integer size = settings.codebookSize();
    if (levels.isEmpty()) {
      double bits = log2(size == null ? 1000 : size);
      return PUBLISHED.stream()
          .min(Comparator.comparingDouble(l -> Math.abs(log2((double) product(l)) - bits)))
          .orElseThrow();
    }
    if (size != null && size != product(levels)) {
      throw SqueezeException.configuration(
          ("quantizer.fsq.levels %s make %s codes, but --codebook_size is %s: leave one "
                  + "of them out")
              .formatted(levels, product(levels), size));
    }
    return levels;
  }

  private static long product(List<Integer> levels) {
    return levels.stream().mapToLong(Integer::longValue).reduce(1, (a, b) -> a * b);
  }

  private static double log2(double x) {
    return Math.log(x) / Math.log(2);
  }

  private int width() {
    return values.length * parts;
  }

  @Override
  public int[] codebookSizes() {
    int[] levels = new int[parts];
    Arrays.fill(levels, Arrays.stream(values).reduce(1, (a, b) -> a * b));
    return levels;
  }

  /** A number for each dimension, [d]. */
  private NDArray each(NDArray beside, IntToDoubleFunction of) {
    return Torch.floats(
        beside.getManager(),
        new Shape(values.length),
        b -> Arrays.stream(values).forEach(v -> b.put((float) of.applyAsDouble(v))));
  }

  private static double offset(int v) {
    return v % 2 == 0 ? 0.5 : 0;
  }

  /** The digit of the value 0. */
  private static double middle(int v) {
    return Math.floorDiv(v, 2);
  }

  private static double half(int v) {
    return (v - 1) * (1 + 1e-3) / 2;
  }

  private static double shift(int v) {
    double x = offset(v) / half(v);
    return 0.5 * Math.log((1 + x) / (1 - x));
  }

  @Override
  public Quantized quantize(NDArray vectors, Parameters parameters, Mode mode) {
    NDArray z = vectors.reshape(-1, values.length);
    NDArray bounded;
    NDArray digits;
    if (symmetric) {
      bounded = z.tanh();
      NDArray steps = each(z, v -> (v - 1) / 2.0);
      NDArray one = each(z, v -> 1);
      NDArray half = each(z, v -> 0.5);
      digits = bounded.stopGradient().add(one).mul(steps).add(half).floor();
    } else {
      NDArray scaled = scaled(z);
      NDArray middle = each(z, FiniteScalarQuantizer::middle);
      bounded = scaled.div(middle);
      digits = scaled.stopGradient().round().add(middle);
    }
    NDArray q = values(digits);
    NDArray out = Quantizer.straight(bounded, q, mode);
    NDArray codes =
        digits.toType(DataType.INT64, false).mul(basis(z)).sum(new int[] {1}).reshape(-1, parts);
    NDArray nothing = Quantizer.noLoss(z);
    return new Quantized(out.reshape(-1, width()), codes, List.of(), nothing);
  }

  /** Values of each dimension in the bounds of its digits, around 0. */
  private NDArray scaled(NDArray z) {
    return z.add(each(z, FiniteScalarQuantizer::shift))
        .tanh()
        .mul(each(z, FiniteScalarQuantizer::half))
        .sub(each(z, FiniteScalarQuantizer::offset));
  }

  @Override
  public NDArray toSearchSpace(NDArray vectors, Parameters parameters) {
    NDArray z = vectors.reshape(-1, values.length);
    NDArray bounded = symmetric ? z.tanh() : scaled(z).div(each(z, FiniteScalarQuantizer::middle));
    return bounded.reshape(-1, width());
  }

  /** Digits [n, d] from 0 up -> values in [-1, 1]. */
  private NDArray values(NDArray digits) {
    return symmetric
        ? digits.mul(each(digits, v -> 2.0 / (v - 1))).sub(each(digits, v -> 1))
        : digits
            .sub(each(digits, FiniteScalarQuantizer::middle))
            .div(each(digits, FiniteScalarQuantizer::middle));
  }

  /** The place value of each dimension's digit, int64 [d]. */
  private NDArray basis(NDArray beside) {
    return beside.getManager().create(placeValues());
  }

  private long[] placeValues() {
    long[] basis = new long[values.length];
    long next = 1;
    for (int i = 0; i < basis.length; i++) {
      basis[i] = next;
      next *= values[i];
    }
    return basis;
  }

  /** A number for each dimension as an attribute. */
  private String each(ScriptBody body, String name, IntToDoubleFunction of) {
    float[] numbers = new float[values.length];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (float) of.applyAsDouble(values[i]);
    }
    return body.constant("fsq." + name, HostTensor.of(numbers, numbers.length));
  }

  private String basis(ScriptBody body) {
    return body.constant("fsq.basis", HostTensor.of(placeValues(), values.length));
  }

  @Override
  public String encodeScript(ScriptBody body, String vectors) {
    String z = body.let("torch.reshape(%s, [-1, %d])", vectors, values.length);
    String digits;
    if (symmetric) {
      String steps = each(body, "steps", v -> (v - 1) / 2.0);
      digits =
          body.let(
              "torch.floor(torch.add(torch.mul(torch.add(torch.tanh(%s), 1, 1), %s), 0.5, 1))",
              z, steps);
    } else {
      String bounded =
          body.let(
              "torch.mul(torch.tanh(torch.add(%s, %s, alpha=1)), %s)",
              z,
              each(body, "shift", FiniteScalarQuantizer::shift),
              each(body, "half", FiniteScalarQuantizer::half));
      digits =
          body.let(
              "torch.add(torch.round(torch.sub(%s, %s, alpha=1)), %s, alpha=1)",
              bounded,
              each(body, "offset", FiniteScalarQuantizer::offset),
              each(body, "middle", FiniteScalarQuantizer::middle));
    }
    return body.let(
        "torch.reshape(torch.sum(torch.mul(torch.to(%s, 4), %s), [1], False, dtype=None), [-1, %d])",
        digits, basis(body), parts);
  }

  @Override
  public String decodeScript(ScriptBody body, String codes) {
    long[] all = Arrays.stream(values).asLongStream().toArray();
    String counts = body.constant("fsq.counts", HostTensor.of(all, all.length));
    String digits =
        body.let(
            "torch.to(torch.remainder(torch.floor_divide(torch.reshape(%s, [-1, 1]), %s), %s), 6)",
            codes, basis(body), counts);
    String middle = each(body, "middle", FiniteScalarQuantizer::middle);
    String rows =
        symmetric
            ? body.let(
                "torch.sub(torch.mul(%s, %s), 1, 1)",
                digits, each(body, "values", v -> 2.0 / (v - 1)))
            : body.let("torch.div(torch.sub(%s, %s, alpha=1), %s)", digits, middle, middle);
    return body.let("torch.reshape(%s, [-1, %d])", rows, width());
  }

  @Override
  public NDArray decode(NDArray codes, Parameters parameters) {
    NDArray counts = codes.getManager().create(Arrays.stream(values).asLongStream().toArray());
    NDArray each = codes.reshape(-1);
    NDArray digits = NativeKernels.digits(each.maximum(0), basis(codes), counts);
    NDArray rows = values(digits.toType(DataType.FLOAT32, false));
    return Quantizer.present(rows, each).reshape(-1, width());
  }
}
