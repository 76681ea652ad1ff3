package io.squeeze.train;

import ai.djl.ndarray.NDArray;
import io.squeeze.config.Seeds;
import io.squeeze.quantize.EmaCodebook;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.quantize.Quantized;
import io.squeeze.quantize.Quantizer;
import io.squeeze.segment.ForwardContext;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Moves dead codes to vectors of the data. Every shard offers the vectors with the smallest hashes
 * of seed, epoch, sample and position. The smallest hashes of all shards are used, so the order of
 * gathering does not matter.
 */
public final class Revival {
  /** Vectors offered for a codebook in a round: more dead codes wait for the next one. */
  private static final int OFFERED = 256;

  private Revival() {}

  /** What a batch offers to each codebook. */
  static List<List<Keyed>> candidates(
      Quantizer quantizer, Quantized batch, ForwardContext context) {
    List<List<Keyed>> offers = new ArrayList<>();
    int codebooks = quantizer.codebooks().size();
    for (int i = 0; i < codebooks; i++) {
      // Levels that share a codebook all offer to it.
      List<Keyed> all = new ArrayList<>();
      for (int level = i; level < batch.searched().size(); level += codebooks) {
        NDArray searched = batch.searched().get(level);
        if (searched != null) {
          all.addAll(offered(searched, context, "revive " + level));
        }
      }
      offers.add(least(all.stream()));
    }
    return offers;
  }

  private static List<Keyed> offered(NDArray searched, ForwardContext context, String purpose) {
    float[] values = Torch.tensor(searched).floats();
    int rows = Math.toIntExact(searched.getShape().get(0));
    int width = values.length / rows;
    int positions = rows / context.samples().size();
    List<Keyed> offers = new ArrayList<>();
    for (int row = 0; row < rows; row++) {
      String id = context.samples().get(row / positions) + " " + row % positions;
      long key = Seeds.hash(context.seed(), purpose + " " + context.epoch(), id);
      offers.add(new Keyed(key, Arrays.copyOfRange(values, row * width, (row + 1) * width)));
    }
    return offers;
  }

  /** The offers of both, as many as are kept. */
  public static List<List<Keyed>> merged(List<List<Keyed>> a, List<List<Keyed>> b) {
    if (a.isEmpty() || b.isEmpty()) {
      return a.isEmpty() ? b : a;
    }
    List<List<Keyed>> merged = new ArrayList<>();
    for (int i = 0; i < a.size(); i++) {
      merged.add(least(Stream.concat(a.get(i).stream(), b.get(i).stream())));
    }
    return merged;
  }

  private static List<Keyed> least(Stream<Keyed> offers) {
    return new ArrayList<>(offers.sorted(Keyed.ORDER).limit(OFFERED).toList());
  }

  /**
   * A state with its dead codes on vectors that were offered.
   *
   * @param codes that were revived
   */
  public record Revived(ModelState state, long codes) {}

  /** Revives what is dead in a state, by the offers of a round. */
  public static Revived revive(
      Quantizer quantizer, ModelState state, List<List<Keyed>> candidates) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>(state.tensors());
    long revived = 0;
    for (int i = 0; i < candidates.size(); i++) {
      EmaCodebook codebook = quantizer.codebooks().get(i);
      List<float[]> vectors = candidates.get(i).stream().map(Keyed::vector).toList();
      double size = codebook.meanClusterSize(tensors);
      revived += codebook.revive(tensors, codebook.dead(tensors), vectors, size);
    }
    return new Revived(revived == 0 ? state : new ModelState(tensors), revived);
  }
}
