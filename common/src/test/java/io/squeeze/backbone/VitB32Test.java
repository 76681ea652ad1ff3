package io.squeeze.backbone;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.golden.Golden;
import io.squeeze.image.Preprocessing;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import io.squeeze.weights.LazyTensor;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VitB32Test {

  @Test
  void featuresAreTorchvisions(@TempDir Path folder) throws Exception {
    Torch.start(2);
    Map<String, Integer> positions = new HashMap<>();
    try (InputStream list = getClass().getResourceAsStream("/goldens/vit_b_32.json")) {
      for (JsonNode entry : new ObjectMapper().readTree(list)) {
        positions.put(entry.get(0).asText(), positions.size());
      }
    }
    Path program = folder.resolve("vit.pt");
    try (OutputStream out = Files.newOutputStream(program)) {
      VitB32.write(
          (name, shape) -> new LazyTensor(shape, () -> hashed(name, positions.get(name), shape)),
          out);
    }
    Preprocessing preprocessing = Preprocessing.from(Settings.defaults().image());
    BackboneFile file = BackboneFile.of("vit", program, preprocessing);
    Backbone vit = TorchScriptBackbone.shared(file, program, Device.cpu());
    assertThat(vit.grid()).isEqualTo(new Grid(768, 7, 7));
    assertThat(vit.stride()).isEqualTo(32);
    assertThat(TorchScriptBackbone.shared(file, program, Device.cpu())).isSameAs(vit);
    try (NDManager manager = Torch.manager(Device.cpu())) {
      float[] input = hash(2 * 3 * 224 * 224, 5000, -2, 2);
      NDArray images = Torch.floats(manager, new Shape(2, 3, 224, 224), b -> b.put(input));
      float[] features = Torch.tensor(vit.features(images)).floats();
      float[] expected = new Golden("vit_b_32").floats("features");
      assertThat(features).containsExactly(expected, within(2e-5f));
    }
  }

  @Test
  void aFileThatIsNoProgramIsAClearError(@TempDir Path folder) throws Exception {
    Torch.start(2);
    Path file = Files.writeString(folder.resolve("notes.pt"), "no program");
    Preprocessing preprocessing = Preprocessing.from(Settings.defaults().image());
    BackboneFile described = BackboneFile.of("notes", file, preprocessing);
    assertThatThrownBy(() -> TorchScriptBackbone.shared(described, file, Device.cpu()))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("as a backbone: it is no TorchScript program")
        .hasMessageContaining("--model");
  }

  /** The weights of goldens/vit_b_32: the hash below, its range by the tensor's kind. */
  private static HostTensor hashed(String name, int layer, long[] shape) {
    int size = 1;
    for (long length : shape) {
      size *= (int) length;
    }
    double low = -0.1;
    double high = 0.1;
    if (shape.length >= 2 && !name.equals("class_token") && !name.contains("pos_embedding")) {
      high = Math.sqrt(3.0 / ((double) size / shape[0]));
      low = -high;
    } else if (name.endsWith("weight")) {
      low = 0.5;
      high = 1.5;
    }
    return HostTensor.of(hash(size, layer, low, high), shape);
  }

  private static float[] hash(int size, int layer, double low, double high) {
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
