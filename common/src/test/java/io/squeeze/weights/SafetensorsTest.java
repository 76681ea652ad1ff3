package io.squeeze.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.SqueezeException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SafetensorsTest {

  private static byte[] file() throws IOException {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    tensors.put("b", HostTensor.of(new float[] {1, -2.5f, Float.MIN_VALUE}, 3));
    tensors.put("a", HostTensor.scalar(-7));
    tensors.put("none", HostTensor.of(new float[0], 0, 4));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    new Safetensors(tensors, Map.of("config", "{\"ü\": 1}")).write(out);
    return out.toByteArray();
  }

  private static Safetensors read(byte[] bytes) throws IOException {
    return Safetensors.read(new ByteArrayInputStream(bytes), "x", bytes.length);
  }

  @Test
  void whatIsWrittenReadsBack() throws IOException {
    Safetensors back = read(file());
    assertThat(back.metadata()).containsEntry("config", "{\"ü\": 1}");
    assertThat(back.tensors().keySet()).containsExactly("b", "a", "none");
    assertThat(back.tensors().get("b").floats()).containsExactly(1, -2.5f, Float.MIN_VALUE);
    assertThat(back.tensors().get("a").longValue()).isEqualTo(-7);
    assertThat(back.tensors().get("none").shape()).containsExactly(0, 4);
    assertThat(file()).isEqualTo(file());
  }

  @Test
  void everyTruncationIsAClearError() throws IOException {
    byte[] whole = file();
    for (int length = 0; length < whole.length; length++) {
      byte[] part = Arrays.copyOf(whole, length);
      assertThatThrownBy(() -> read(part))
          .isInstanceOf(SqueezeException.class)
          .hasMessageStartingWith("Invalid safetensors file x: ");
    }
  }

  @Test
  void liesOfAHeaderAreFoundBeforeAllocation() {
    assertLie("{\"a\":{\"dtype\":\"F32\",\"shape\":[2000000000,9],\"data_offsets\":[0,4]}}");
    assertLie("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}");
    assertLie("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}");
    assertLie("{\"a\":{\"dtype\":\"X8\",\"shape\":[1],\"data_offsets\":[0,4]}}");
    assertLie("[1]");
  }

  private static void assertLie(String header) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    byte[] file = new byte[8 + json.length + 4];
    file[0] = (byte) json.length;
    System.arraycopy(json, 0, file, 8, json.length);
    assertThatThrownBy(() -> read(file)).isInstanceOf(SqueezeException.class);
  }
}
