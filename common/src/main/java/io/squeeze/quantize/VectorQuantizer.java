package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.core.Linear;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Seeds;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Assigns every vector, projected to a few dimensions, to its nearest codeword (VQ-VAE, arXiv
 * 1711.00937, eq. 1); the codebook follows the vectors by exponential moving averages (appendix
 * A.1).
 *
 * <p>With n the number and m the sum of a batch's vectors on a code: {@code c <- decay c + (1 -
 * decay) n}, {@code s <- decay s + (1 - decay) m}, codeword {@code = s / c'} where {@code c'} is c
 * with Laplace smoothing. Gradients pass straight through the assignment, also to a projection that
 * reads frozen features.
 */
public final class VectorQuantizer implements Quantizer {
  private static final long serialVersionUID = 1L;
  private static final String EMBED = "quantizer.codebook.embed";
  private static final String SIZE = "quantizer.codebook.cluster_size";
  private static final String SUM = "quantizer.codebook.embed_avg";

  private final QuantizerSettings settings;
  private final int channels;

  /** A quantizer for vectors of {@code channels} values. */
  public VectorQuantizer(QuantizerSettings settings, int channels) {
    this.settings = settings;
    this.channels = channels;
  }

  @Override
  public int[] levels() {
    return new int[] {settings.codebookSize()};
  }

  @Override
  public Map<String, HostTensor> initial(long seed) {
    int codes = settings.codebookSize();
    int width = settings.bottleneckDim();
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    linear(tensors, seed, "quantizer.project_in", width, channels);
    linear(tensors, seed, "quantizer.project_out", channels, width);
    // Kaiming's uniform bound for [K, d] as the reference library takes it: sqrt(6 / (K d)).
    double bound = Math.sqrt(6.0 / ((double) codes * width));
    HostTensor embed = HostTensor.uniform(Seeds.random(seed, EMBED), bound, codes, width);
    tensors.put(EMBED, embed);
    tensors.put(SIZE, HostTensor.full(1, codes));
    tensors.put(SUM, embed);
    return tensors;
  }

  private static void linear(
      Map<String, HostTensor> tensors, long seed, String name, int out, int in) {
    double bound = 1 / Math.sqrt(in);
    String weight = name + ".weight";
    String bias = name + ".bias";
    tensors.put(weight, HostTensor.uniform(Seeds.random(seed, weight), bound, out, in));
    tensors.put(bias, HostTensor.uniform(Seeds.random(seed, bias), bound, out));
  }

  /**
   * Puts the result of k-means into the codebook and its averages, so that the first step does not
   * undo it.
   *
   * @param batchVectors vectors of one step of training, the scale of the moving averages
   */
  public void start(Map<String, HostTensor> tensors, KMeans.Result means, long batchVectors) {
    float[] sizes = new float[settings.codebookSize()];
    float[] embed = means.means();
    float[] sums = new float[embed.length];
    int width = settings.bottleneckDim();
    long total = 0;
    for (long count : means.counts()) {
      total += count;
    }
    for (int k = 0; k < sizes.length; k++) {
      sizes[k] = (float) ((double) means.counts()[k] / total * batchVectors);
      for (int j = 0; j < width; j++) {
        sums[k * width + j] = embed[k * width + j] * sizes[k];
      }
    }
    tensors.put(EMBED, HostTensor.of(embed, sizes.length, width));
    tensors.put(SIZE, HostTensor.of(sizes, sizes.length));
    tensors.put(SUM, HostTensor.of(sums, sizes.length, width));
  }

  @Override
  public List<String> trained() {
    return List.of(
        "quantizer.project_in.weight",
        "quantizer.project_in.bias",
        "quantizer.project_out.weight",
        "quantizer.project_out.bias");
  }

  @Override
  public List<String> decoder() {
    return List.of(EMBED, "quantizer.project_out.weight", "quantizer.project_out.bias");
  }

  /** [B, C, h, w] -> [B * h * w, d], what is searched. */
  public NDArray project(NDArray features, Parameters parameters) {
    NDArray rows = features.transpose(0, 2, 3, 1).reshape(-1, channels);
    return Linear.linear(
            rows,
            parameters.get("quantizer.project_in.weight"),
            parameters.get("quantizer.project_in.bias"))
        .singletonOrThrow();
  }

  @Override
  public Quantized quantize(NDArray features, Parameters parameters, boolean training) {
    NDArray z = project(features, parameters);
    NDArray searched = z.stopGradient();
    NDArray codes = NativeKernels.nearest(searched, parameters.get(EMBED));
    NDArray q = NativeKernels.lookup(parameters.get(EMBED), codes);
    int height = (int) features.getShape().get(2);
    int width = (int) features.getShape().get(3);
    NDArray loss;
    if (training) {
      loss = z.sub(q).square().mean().mul(Torch.scalar(z.getManager(), settings.commitment()));
      q = z.add(q.sub(searched));
    } else {
      loss = z.getManager().create(0f);
    }
    NDArray out = expand(q, height, width, parameters);
    return new Quantized(out, codes.expandDims(1), searched, loss);
  }

  @Override
  public NDArray decode(NDArray codes, int height, int width, Parameters parameters) {
    NDArray q = NativeKernels.lookup(parameters.get(EMBED), codes.reshape(-1));
    return expand(q, height, width, parameters);
  }

  /** [B * h * w, d] -> [B, C, h, w]. */
  private NDArray expand(NDArray q, int height, int width, Parameters parameters) {
    return Linear.linear(
            q,
            parameters.get("quantizer.project_out.weight"),
            parameters.get("quantizer.project_out.bias"))
        .singletonOrThrow()
        .reshape(-1, height, width, channels)
        .transpose(0, 3, 1, 2);
  }

  @Override
  public void update(Quantized batch, Parameters parameters) {
    NDArray codes = batch.codes().reshape(-1);
    NDArray embed = parameters.get(EMBED);
    NDArray n = NativeKernels.counts(codes, embed).toType(DataType.FLOAT32, false);
    NDArray m = NativeKernels.sums(codes, batch.searched(), embed);
    float rate = (float) (1 - settings.decay());
    NDArray size = parameters.get(SIZE);
    NDArray sum = parameters.get(SUM);
    size.addi(n.sub(size).mul(rate));
    sum.addi(m.sub(sum).mul(rate));
    NDArray total = size.sum();
    NDArray smoothed =
        size.add((float) settings.eps())
            .div(total.add((float) (settings.codebookSize() * settings.eps())))
            .mul(total);
    parameters.set(EMBED, sum.div(smoothed.expandDims(1)));
  }

  /** The codewords anew from averaged sizes and sums. */
  @Override
  public void rebuild(Map<String, HostTensor> tensors) {
    float[] sizes = tensors.get(SIZE).floats();
    float[] values = tensors.get(SUM).floats();
    double total = 0;
    for (float size : sizes) {
      total += size;
    }
    int width = settings.bottleneckDim();
    for (int k = 0; k < sizes.length; k++) {
      double smoothed =
          (sizes[k] + settings.eps()) / (total + sizes.length * settings.eps()) * total;
      for (int j = 0; j < width; j++) {
        values[k * width + j] = (float) (values[k * width + j] / smoothed);
      }
    }
    tensors.put(EMBED, HostTensor.of(values, sizes.length, width));
  }
}
