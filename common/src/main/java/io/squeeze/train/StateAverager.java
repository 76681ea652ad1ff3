package io.squeeze.train;

import io.squeeze.quantize.Quantizer;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongBinaryOperator;

/**
 * Averages states weighted by samples (parameter averaging, McDonald et al. 2010). The float32
 * tensors of a state, laid end to end, are cut into chunks, and each chunk is averaged by itself:
 * nobody holds more than one sum of a few MB. Sums are double and taken in the order of the shards,
 * so that they have fixed bytes.
 */
public final class StateAverager {
  /** Floats of a chunk: 4 MB. */
  private static final int CHUNK = 1 << 20;

  private StateAverager() {}

  /** How many chunks a state has; one at least. */
  public static int chunks(ModelState state) {
    return Math.toIntExact(Math.max(1, (bytes(state) + 4L * CHUNK - 1) / (4L * CHUNK)));
  }

  private static long bytes(ModelState state) {
    long bytes = 0;
    for (HostTensor tensor : state.tensors().values()) {
      bytes += averaged(tensor) ? tensor.bytes().length : 0;
    }
    return bytes;
  }

  private static boolean averaged(HostTensor tensor) {
    return tensor.type() == ElementType.F32;
  }

  /** The bytes of a chunk, float32, little endian. */
  public static byte[] chunk(ModelState state, int index) {
    long from = 4L * CHUNK * index;
    byte[] chunk = new byte[(int) Math.min(4L * CHUNK, bytes(state) - from)];
    int filled = 0;
    long all = 0;
    for (HostTensor tensor : state.tensors().values()) {
      if (averaged(tensor)) {
        int length = tensor.bytes().length;
        int begin = (int) Math.min(length, Math.max(0, from - all));
        int end = (int) Math.min(length, Math.max(0, from + 4L * CHUNK - all));
        System.arraycopy(tensor.bytes(), begin, chunk, filled, end - begin);
        filled += end - begin;
        all += length;
      }
    }
    return chunk;
  }

  /** The tensors that are no floats: steps, and for how long codes have waited. */
  public static Map<String, HostTensor> counters(ModelState state) {
    Map<String, HostTensor> counters = new LinkedHashMap<>(state.tensors());
    counters.values().removeIf(StateAverager::averaged);
    return counters;
  }

  /**
   * Merges the counters of two states: the larger number of steps, and the shorter wait of each
   * code.
   */
  public static Map<String, HostTensor> merged(
      Map<String, HostTensor> a, Map<String, HostTensor> b) {
    Map<String, HostTensor> merged = new LinkedHashMap<>(a);
    b.forEach(
        (name, tensor) ->
            merged.merge(
                name,
                tensor,
                (x, y) -> pairwise(x, y, name.equals(ModelState.STEP) ? Math::max : Math::min)));
    return merged;
  }

  private static HostTensor pairwise(HostTensor a, HostTensor b, LongBinaryOperator of) {
    long[] left = a.longs();
    long[] right = b.longs();
    Arrays.setAll(left, i -> of.applyAsLong(left[i], right[i]));
    return HostTensor.of(left, a.shape());
  }

  /** The weighted sum of a chunk of several states. */
  public static final class Sum {
    private double[] sums;
    private long weight;

    /** Adds the chunk of one state. */
    public void add(byte[] chunk, long weight) {
      FloatBuffer values = floats(chunk);
      if (sums == null) {
        sums = new double[values.remaining()];
      }
      for (int i = 0; i < sums.length; i++) {
        sums[i] += weight * (double) values.get(i);
      }
      this.weight += weight;
    }

    /** The bytes of the average, which of a single state are its own; null if none was added. */
    public byte[] average() {
      if (sums == null) {
        return null;
      }
      byte[] average = new byte[4 * sums.length];
      FloatBuffer values = floats(average);
      for (double sum : sums) {
        values.put((float) (sum / weight));
      }
      return average;
    }
  }

  private static FloatBuffer floats(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
  }

  /**
   * A state of averaged chunks.
   *
   * @param like has the names and shapes
   * @param states number of states that were averaged; if there are several, each codebook is
   *     rebuilt from its averaged sizes and sums
   */
  public static ModelState assemble(
      ModelState like,
      List<byte[]> chunks,
      Map<String, HostTensor> counters,
      int states,
      Quantizer quantizer) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    List<byte[]> left = new ArrayList<>(chunks);
    int at = 0;
    for (Map.Entry<String, HostTensor> entry : like.tensors().entrySet()) {
      HostTensor tensor = entry.getValue();
      if (!averaged(tensor)) {
        tensors.put(entry.getKey(), counters.get(entry.getKey()));
        continue;
      }
      byte[] bytes = new byte[tensor.bytes().length];
      for (int done = 0; done < bytes.length; ) {
        byte[] chunk = left.get(0);
        int length = Math.min(bytes.length - done, chunk.length - at);
        System.arraycopy(chunk, at, bytes, done, length);
        done += length;
        at += length;
        if (at == chunk.length) {
          left.remove(0);
          at = 0;
        }
      }
      tensors.put(entry.getKey(), new HostTensor(ElementType.F32, tensor.shape(), bytes));
    }
    if (states > 1) {
      quantizer.rebuild(tensors);
    }
    return new ModelState(tensors);
  }
}
