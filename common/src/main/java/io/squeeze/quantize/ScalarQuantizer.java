package io.squeeze.quantize;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.SqueezeException;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * scalar: every principal component is a number of its own, rounded to one of a few points. Entropy
 * coding then spends bits where the variance is (transform coding; Goyal, IEEE Signal Processing
 * Magazine 18(5), 2001). A point costs what its code takes: the code is the one with the least
 * {@code (y - p)^2 + penalty}.
 *
 * @param levels points of each component
 */
public record ScalarQuantizer(List<Integer> levels) implements Quantizer {
  /** The points of all components, one component after the other. */
  static final String POINTS = "quantizer.components.points";

  /** What choosing a point costs beside its error. */
  static final String PENALTIES = "quantizer.components.penalties";

  /** scalar: principal components of a table. */
  public static final class Type implements QuantizerType {
    @Override
    public String name() {
      return "scalar";
    }

    @Override
    public Quantizer create(QuantizerSettings settings, int channels) {
      if (settings.scalarLevels().isEmpty()) {
        throw SqueezeException.configuration(
            "scalar is fitted to the vectors of a table (train --input), not trained with a head");
      }
      return Quantizer.projected(
          settings,
          channels,
          settings.scalarLevels().size(),
          new ScalarQuantizer(settings.scalarLevels()));
    }
  }

  private int all() {
    return levels.stream().mapToInt(Integer::intValue).sum();
  }

  @Override
  public int[] codebookSizes() {
    return levels.stream().mapToInt(Integer::intValue).toArray();
  }

  @Override
  public boolean orthogonal() {
    return true;
  }

  @Override
  public Map<String, HostTensor> initial(long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    float[] points = new float[all()];
    int at = 0;
    for (int level : levels) {
      for (int k = 0; k < level; k++) {
        points[at++] = k - (level - 1) / 2f;
      }
    }
    tensors.put(POINTS, HostTensor.of(points, points.length));
    tensors.put(PENALTIES, HostTensor.full(0, points.length));
    return tensors;
  }

  @Override
  public List<String> decoder() {
    return List.of(POINTS);
  }

  @Override
  public Quantized quantize(NDArray vectors, Parameters parameters, Mode mode) {
    if (mode.training()) {
      throw new IllegalArgumentException("scalar is fitted, not trained");
    }
    NDArray codes = codes(vectors, parameters);
    return new Quantized(decode(codes, parameters), codes, List.of(), Quantizer.noLoss(vectors));
  }

  @Override
  public NDArray codes(NDArray vectors, Parameters parameters) {
    float[] points = Torch.tensor(parameters.get(POINTS)).floats();
    float[] penalties = Torch.tensor(parameters.get(PENALTIES)).floats();
    float[] values = Torch.tensor(vectors).floats();
    long[] codes = new long[values.length];
    int depth = levels.size();
    for (int level = 0, from = 0; level < depth; from += levels.get(level++)) {
      int end = from + levels.get(level);
      for (int i = level; i < values.length; i += depth) {
        int best = from;
        float least = Float.POSITIVE_INFINITY;
        for (int k = from; k < end; k++) {
          float away = values[i] - points[k];
          float cost = away * away + penalties[k];
          best = cost < least ? k : best;
          least = Math.min(cost, least);
        }
        codes[i] = (long) best - from;
      }
    }
    return vectors.getManager().create(codes, new Shape(values.length / depth, depth));
  }

  @Override
  public String encodeScript(ScriptBody body, String vectors) {
    String points = body.tensor(POINTS);
    String penalties = body.tensor(PENALTIES);
    List<String> codes = new ArrayList<>();
    for (int level = 0, from = 0; level < levels.size(); from += levels.get(level++)) {
      int end = from + levels.get(level);
      String away =
          body.let(
              "torch.sub(torch.unsqueeze(torch.select(%s, 1, %d), 1), torch.slice(%s, 0, %d, %d, 1),"
                  + " alpha=1)",
              vectors, level, points, from, end);
      codes.add(
          body.let(
              "torch.argmin(torch.add(torch.mul(%s, %s), torch.slice(%s, 0, %d, %d, 1), alpha=1), 1,"
                  + " False)",
              away, away, penalties, from, end));
    }
    return body.let("torch.stack([%s], 1)", String.join(", ", codes));
  }

  @Override
  public String decodeScript(ScriptBody body, String codes) {
    long[] first = new long[levels.size()];
    for (int level = 1; level < first.length; level++) {
      first[level] = first[level - 1] + levels.get(level - 1);
    }
    String offsets = body.constant("scalar.offsets", HostTensor.of(first, first.length));
    String places = body.let("torch.flatten(torch.add(%s, %s, alpha=1), 0, -1)", codes, offsets);
    return body.let(
        "torch.reshape(torch.index_select(%s, 0, %s), [-1, %d])",
        body.tensor(POINTS), places, levels.size());
  }

  /** A code of -1 stands for nothing: zero. */
  @Override
  public NDArray decode(NDArray codes, Parameters parameters) {
    float[] points = Torch.tensor(parameters.get(POINTS)).floats();
    int depth = levels.size();
    int[] offsets = new int[depth];
    for (int level = 1; level < depth; level++) {
      offsets[level] = offsets[level - 1] + levels.get(level - 1);
    }
    int[] all = LongStream.of(codes.toLongArray()).mapToInt(Math::toIntExact).toArray();
    float[] values = new float[all.length];
    IntStream.range(0, all.length)
        .filter(i -> all[i] >= 0)
        .forEach(i -> values[i] = points[offsets[i % depth] + all[i]]);
    return Torch.floats(
        codes.getManager(), new Shape(all.length / depth, depth), b -> b.put(values));
  }
}
