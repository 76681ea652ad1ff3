package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import java.util.List;

/**
 * Assigns every vector to its nearest codeword (VQ-VAE, arXiv 1711.00937, eq. 1); the codebook
 * follows the vectors by exponential moving averages (appendix A.1). With cosine similarity both
 * are laid on the unit sphere.
 */
final class VectorQuantizer implements Quantizer {
  private static final long serialVersionUID = 1L;
  private static final int CODES = 512;
  private static final int WIDTH = 64;
  static final double SHORTEST = 1e-6;

  private final EmaCodebook codebook;
  private final Estimator estimator;
  private final double commitment;
  private final boolean cosine;

  /** vq: between two linear layers. */
  public static final class Type implements QuantizerType {
    @Override
    public String name() {
      return "vq";
    }

    @Override
    public Quantizer create(QuantizerSettings settings, int channels) {
      int width = settings.width(channels, WIDTH);
      return Quantizer.projected(settings, channels, width, new VectorQuantizer(settings, width));
    }
  }

  /** For vectors of {@code width} values. */
  VectorQuantizer(QuantizerSettings settings, int width) {
    cosine = settings.cosine();
    codebook =
        new EmaCodebook(
            "quantizer.codebook", settings.codebookSize(CODES), width, settings.codebook(), cosine);
    estimator = Estimator.of(settings);
    commitment = settings.commitment();
  }

  @Override
  public int[] codebookSizes() {
    return new int[] {codebook.codes()};
  }

  @Override
  public List<EmaCodebook> codebooks() {
    return List.of(codebook);
  }

  @Override
  public Quantized quantize(NDArray vectors, Parameters parameters, Mode mode) {
    NDArray z = toSearchSpace(vectors, parameters);
    NDArray searched = z.stopGradient();
    NDArray codes = codebook.nearest(searched, parameters);
    NDArray q = codebook.lookup(codes, parameters);
    NDArray loss = Quantizer.commitment(z, q, commitment, mode);
    // What the search made was made without gradients in mind: a copy can stand before a layer.
    NDArray out = mode.estimate() ? estimator.pass(z, q) : q.duplicate();
    return new Quantized(out, codes.expandDims(1), List.of(searched), loss);
  }

  @Override
  public NDArray toSearchSpace(NDArray vectors, Parameters parameters) {
    return cosine ? vectors.normalize(2, 1, SHORTEST) : vectors;
  }

  @Override
  public String encodeScript(ScriptBody body, String vectors) {
    String z = vectors;
    if (cosine) {
      String length =
          body.let("torch.sqrt(torch.sum(torch.mul(%s, %s), [1], True, dtype=None))", z, z);
      z =
          body.let(
              "torch.div(%s, torch.clamp(%s, %s, None))", z, length, ScriptBody.number(SHORTEST));
    }
    return body.let("torch.unsqueeze(%s, 1)", codebook.nearestScript(body, z));
  }

  @Override
  public String decodeScript(ScriptBody body, String codes) {
    return codebook.lookupScript(body, codes, 0);
  }

  @Override
  public NDArray decode(NDArray codes, Parameters parameters) {
    return codebook.decode(codes.reshape(-1), parameters);
  }
}
