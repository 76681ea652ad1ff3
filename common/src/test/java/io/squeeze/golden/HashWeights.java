package io.squeeze.golden;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import io.squeeze.weights.LazyTensor;
import io.squeeze.weights.TensorSource;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The weights and inputs of the backbone goldens: a hash of place and layer, in a range by kind.
 */
public final class HashWeights {
  private HashWeights() {}

  /** The official state dict of vit_b_32 or deeplabv3_resnet50, filled by the hash. */
  public static Map<String, TensorSource> stateDict(String network) throws IOException {
    Map<String, TensorSource> tensors = new LinkedHashMap<>();
    try (InputStream list =
        HashWeights.class.getResourceAsStream("/goldens/" + network + ".json")) {
      for (JsonNode entry : new ObjectMapper().readTree(list)) {
        String name = entry.get(0).asText();
        long[] shape = new ObjectMapper().convertValue(entry.get(1), long[].class);
        int layer = tensors.size();
        tensors.put(
            name,
            name.endsWith("num_batches_tracked")
                ? HostTensor.scalar(0)
                : new LazyTensor(ElementType.F32, shape, () -> tensor(name, layer, shape)));
      }
    }
    return tensors;
  }

  /** The tensor at a place of a state dict. */
  public static HostTensor tensor(String name, int layer, long[] shape) {
    int size = Math.toIntExact(Arrays.stream(shape).reduce(1, (a, b) -> a * b));
    double low = -0.1;
    double high = 0.1;
    if (name.endsWith("running_var")) {
      low = 0.5;
      high = 1.5;
    } else if (shape.length >= 2 && !name.equals("class_token") && !name.contains("pos_embed")) {
      high = Math.sqrt(3.0 / ((double) size / shape[0]));
      low = -high;
    } else if (name.endsWith("weight")) {
      low = 0.5;
      high = 1.5;
    }
    return HostTensor.of(hash(size, layer, low, high), shape);
  }

  /** The two images that the goldens were made from, [2, 3, 224, 224]. */
  public static float[] images() {
    return hash(2 * 3 * 224 * 224, 5000, -2, 2);
  }

  /** u(i, layer) of the goldens, in [low, high). */
  public static float[] hash(int size, int layer, double low, double high) {
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      int h = i * (int) 2654435761L + layer * 40503 + 12345;
      h ^= h >>> 16;
      h *= (int) 2246822519L;
      h ^= h >>> 13;
      h *= (int) 3266489917L;
      h ^= h >>> 16;
      values[i] = (float) (low + (high - low) * ((h & 0xFFFFFFFFL) / 4294967296.0));
    }
    return values;
  }
}
