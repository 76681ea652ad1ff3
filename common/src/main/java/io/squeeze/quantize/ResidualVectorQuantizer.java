package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.QuantizerSettings.Residual;
import io.squeeze.config.SqueezeException;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.torch.Torch;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Quantizes a vector, then what is left of it, level by level; the vector is the sum (SoundStream,
 * arXiv 2107.03312, algorithm 1).
 *
 * <p>The gradient passes the whole stack once, as through a single assignment, and every level has
 * its commitment loss. With {@code gradient-fraction} f, or as the reference library does it, each
 * level passes its own: {@code r' = r - (f q + (1 - f) sg(q))}.
 */
final class ResidualVectorQuantizer implements Quantizer {
  private static final long serialVersionUID = 1L;
  private static final int CODES = 256;
  private static final int WIDTH = 64;

  private final List<EmaCodebook> codebooks;
  private final int width;
  private final int depth;
  private final Estimator estimator;
  private final double commitment;
  private final Residual options;
  private final boolean levelwise;
  private final int beam;

  /** rvq: one projection before and one behind all levels. */
  public static final class Type implements QuantizerType {
    @Override
    public String name() {
      return "rvq";
    }

    @Override
    public Quantizer create(QuantizerSettings settings, int channels) {
      int width = settings.width(channels, WIDTH);
      return Quantizer.projected(
          settings, channels, width, new ResidualVectorQuantizer(settings, width));
    }
  }

  /** For vectors of {@code width} values. */
  ResidualVectorQuantizer(QuantizerSettings settings, int width) {
    this.width = width;
    int[] sizes = settings.levelSizes(CODES);
    depth = sizes.length;
    options = settings.residual();
    if (options.dropout() && options.dropoutFrom() >= depth) {
      throw SqueezeException.configuration(
          ("quantizer.rvq.dropout-from is %s, but there are levels 0 to %s " + "(--num_quantizers)")
              .formatted(options.dropoutFrom(), depth - 1));
    }
    codebooks = new ArrayList<>();
    for (int level = 0; level < (options.sharedCodebook() ? 1 : depth); level++) {
      codebooks.add(
          new EmaCodebook(
              "quantizer.levels." + level + ".codebook",
              sizes[level],
              width,
              settings.codebook(),
              false));
    }
    estimator = Estimator.of(settings);
    commitment = settings.commitment();
    levelwise = settings.referenceQuirks() || options.gradientFraction() > 0;
    beam = settings.beam();
  }

  private EmaCodebook codebook(int level) {
    return codebooks.get(options.sharedCodebook() ? 0 : level);
  }

  @Override
  public int[] codebookSizes() {
    return IntStream.range(0, depth).map(level -> codebook(level).codes()).toArray();
  }

  @Override
  public List<EmaCodebook> codebooks() {
    return codebooks;
  }

  @Override
  public Optional<Refit<?>> refit() {
    int all = IntStream.of(codebookSizes()).sum();
    return depth == 1 || options.sharedCodebook() || all > ResidualRefit.MOST_CODES
        ? Optional.empty()
        : Optional.of(new ResidualRefit(this, width));
  }

  @Override
  public Quantized quantize(NDArray vectors, Parameters parameters, Mode mode) {
    if (!mode.training() && beam > 1) {
      NDArray codes = beamed(vectors, parameters);
      NDArray losses =
          mode.losses()
              // The loss is of the nearest codes, as in training.
              ? quantize(vectors, parameters, mode, depth).losses()
              : Torch.floats(vectors.getManager(), new Shape(depth), b -> b.put(new float[depth]));
      return new Quantized(decode(codes, parameters), codes, List.of(), losses);
    }
    boolean drops = mode.training() && options.dropout();
    return quantize(vectors, parameters, mode, drops ? kept(mode.draw()) : depth);
  }

  @Override
  public List<NDArray> searched(NDArray vectors, Parameters parameters) {
    return quantize(vectors, parameters, Mode.EVALUATION, depth).searched();
  }

  /** How many levels a step of training keeps. */
  private int kept(long draw) {
    int last = new SplittableRandom(draw).nextInt(options.dropoutFrom(), depth);
    int multiple = options.dropoutMultiple();
    return Math.min(depth, (last / multiple + 1) * multiple);
  }

  /** Quantizes by the first {@code kept} levels. */
  Quantized quantize(NDArray vectors, Parameters parameters, Mode mode, int kept) {
    NDArray residual = vectors;
    NDArray sum = null;
    List<NDArray> searched = new ArrayList<>();
    NDList codes = new NDList();
    NDList losses = new NDList();
    for (int level = 0; level < depth; level++) {
      if (level >= kept) {
        searched.add(null);
        codes.add(codes.get(0).zerosLike().sub(codes.get(0).onesLike()));
        losses.add(Quantizer.noLoss(vectors));
        continue;
      }
      NDArray looked = residual.stopGradient();
      NDArray code = codebook(level).nearest(looked, parameters);
      NDArray q = codebook(level).lookup(code, parameters);
      losses.add(Quantizer.commitment(residual, q, commitment, mode));
      NDArray passed = mode.estimate() && levelwise ? estimator.pass(residual, q) : q;
      sum = sum == null ? passed : sum.add(passed);
      residual = residual.sub(handedOn(passed));
      searched.add(looked);
      codes.add(code);
    }
    NDArray out = mode.estimate() && !levelwise ? estimator.pass(vectors, sum) : sum;
    return new Quantized(out, NDArrays.stack(codes, 1), searched, NDArrays.concat(losses));
  }

  /** The value of a level's output with the fraction of its gradient that goes on. */
  private NDArray handedOn(NDArray passed) {
    double fraction = options.gradientFraction();
    if (fraction == 1) {
      return passed;
    }
    NDArray constant = passed.stopGradient();
    if (!levelwise || fraction == 0) {
      return constant;
    }
    NDArray share = Torch.scalar(passed.getManager(), fraction);
    NDArray rest = Torch.scalar(passed.getManager(), 1 - fraction);
    return passed.mul(share).add(constant.mul(rest));
  }

  @Override
  public NDArray codes(NDArray vectors, Parameters parameters) {
    return beam > 1
        ? beamed(vectors, parameters)
        : quantize(vectors, parameters, Mode.EVALUATION, depth).codes();
  }

  /** Beam search: keeps the {@code beam} prefixes of codes with the smallest residual. */
  private NDArray beamed(NDArray vectors, Parameters parameters) {
    return vectors.getDevice().isGpu() && IntStream.of(codebookSizes()).distinct().count() == 1
        ? onGpu(vectors, parameters)
        : onCpu(vectors, parameters);
  }

  private NDArray onCpu(NDArray vectors, Parameters parameters) {
    int[] codes = search(parameters).codes(Torch.tensor(vectors).floats());
    return vectors
        .getManager()
        .create(
            IntStream.of(codes).asLongStream().toArray(), new Shape(codes.length / depth, depth));
  }

  ResidualSearch search(Parameters parameters) {
    return parameters.derived(
        ResidualSearch.class,
        () ->
            new ResidualSearch(
                IntStream.range(0, depth)
                    .mapToObj(l -> Torch.tensor(parameters.get(codebook(l).embed())).floats())
                    .toList(),
                width,
                beam));
  }

  private NDArray onGpu(NDArray vectors, Parameters parameters) {
    NDList books = new NDList();
    for (int level = 0; level < depth; level++) {
      books.add(parameters.get(codebook(level).embed()));
    }
    NDArray stacked = NDArrays.stack(books);
    stacked.attach(vectors.getManager());
    return NativeKernels.beam(vectors, stacked, beam);
  }

  /** One step with what all levels saw where they share a codebook. */
  @Override
  public void update(Quantized batch, Parameters parameters) {
    if (!options.sharedCodebook()) {
      Quantizer.super.update(batch, parameters);
      return;
    }
    NDList codes = new NDList();
    NDList vectors = new NDList();
    for (int level = 0; level < depth; level++) {
      if (batch.searched().get(level) != null) {
        codes.add(batch.levelCodes(level));
        vectors.add(batch.searched().get(level));
      }
    }
    codebooks.get(0).update(NDArrays.concat(codes), NDArrays.concat(vectors), parameters);
  }

  @Override
  public String encodeScript(ScriptBody body, String vectors) {
    return beam > 1 ? beamScript(body, vectors) : nearestScript(body, vectors);
  }

  private String nearestScript(ScriptBody body, String vectors) {
    String residual = vectors;
    List<String> codes = new ArrayList<>();
    for (int level = 0; level < depth; level++) {
      String code = codebook(level).nearestScript(body, residual);
      codes.add(code);
      residual =
          body.let(
              "torch.sub(%s, torch.index_select(%s, 0, %s), alpha=1)",
              residual, body.tensor(codebook(level).embed()), code);
    }
    return body.let("torch.stack([%s], 1)", String.join(", ", codes));
  }

  /** Unrolled by level, since the number of prefixes that are kept depends on the level. */
  private String beamScript(ScriptBody body, String vectors) {
    String left = body.let("torch.unsqueeze(%s, 1)", vectors); // [N, kept, d]
    String path = null; // [N, kept, level]
    int kept = 1;
    for (int level = 0; level < depth; level++) {
      String book = body.tensor(codebook(level).embed());
      int codes = codebook(level).codes();
      String flat = body.let("torch.reshape(%s, [-1, %d])", left, width);
      String norms =
          body.let(
              "torch.mul(torch.sum(torch.mul(%s, %s), [1], False, dtype=None), 0.5)", book, book);
      String own =
          body.let(
              "torch.mul(torch.sum(torch.mul(%s, %s), [1], True, dtype=None), 0.5)", flat, flat);
      String scores =
          body.let("torch.addmm(%s, %s, torch.t(%s), beta=1, alpha=-1)", norms, flat, book);
      String cost =
          body.let(
              "torch.reshape(torch.add(%s, %s, alpha=1), [-1, %d])", scores, own, kept * codes);
      int next = Math.min(beam, kept * codes);
      String at = body.let("(torch.topk(%s, %d, 1, False, True))[1]", cost, next);
      String parent = body.let("torch.unsqueeze(torch.floor_divide(%s, %d), 2)", at, codes);
      String code = body.let("torch.remainder(%s, %d)", at, codes);
      String before =
          body.let(
              "torch.gather(%s, 1, torch.expand(%s, [-1, -1, %d], implicit=False), sparse_grad=False)",
              left, parent, width);
      String taken =
          body.let(
              "torch.reshape(torch.index_select(%s, 0, torch.flatten(%s, 0, -1)), [-1, %d, %d])",
              book, code, next, width);
      left = body.let("torch.sub(%s, %s, alpha=1)", before, taken);
      String last = body.let("torch.unsqueeze(%s, 2)", code);
      path =
          path == null
              ? last
              : body.let(
                  "torch.cat([torch.gather(%s, 1, torch.expand(%s, [-1, -1, %d], implicit=False),"
                      + " sparse_grad=False), %s], 2)",
                  path, parent, level, last);
      kept = next;
    }
    return body.let("torch.select(%s, 1, 0)", path);
  }

  @Override
  public String decodeScript(ScriptBody body, String codes) {
    String sum = null;
    for (int level = 0; level < depth; level++) {
      String q = codebook(level).lookupScript(body, codes, level);
      sum = sum == null ? q : body.let("torch.add(%s, %s, alpha=1)", sum, q);
    }
    return sum;
  }

  @Override
  public NDArray decode(NDArray codes, Parameters parameters) {
    NDArray sum = null;
    for (int level = 0; level < depth; level++) {
      NDArray q = codebook(level).decode(codes.get(":, " + level), parameters);
      sum = sum == null ? q : sum.add(q);
    }
    return sum;
  }
}
