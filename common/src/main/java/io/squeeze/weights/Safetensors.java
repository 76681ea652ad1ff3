package io.squeeze.weights;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.squeeze.config.SqueezeException;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Reads and writes the safetensors format: eight bytes of header length, a JSON header, the
 * tensors' bytes without gaps. {@code safetensors.torch.load_file} reads what this writes.
 *
 * @param tensors by name, in the order of the file
 * @param metadata the header's {@code __metadata__}
 */
public record Safetensors(Map<String, HostTensor> tensors, Map<String, String> metadata) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long MAX_HEADER = 100_000_000;

  /** Writes the file; equal contents give equal bytes. */
  public void write(OutputStream out) throws IOException {
    ObjectNode header = JSON.createObjectNode();
    if (!metadata.isEmpty()) {
      ObjectNode node = header.putObject("__metadata__");
      new TreeMap<>(metadata).forEach(node::put);
    }
    long offset = 0;
    for (Map.Entry<String, HostTensor> entry : tensors.entrySet()) {
      HostTensor tensor = entry.getValue();
      ObjectNode node = header.putObject(entry.getKey());
      node.put("dtype", tensor.type().safetensors());
      var shape = node.putArray("shape");
      for (long length : tensor.shape()) {
        shape.add(length);
      }
      node.putArray("data_offsets").add(offset).add(offset + tensor.bytes().length);
      offset += tensor.bytes().length;
    }
    byte[] json = JSON.writeValueAsBytes(header);
    // The data begins at a multiple of eight; the format pads with spaces.
    int padding = (8 - json.length % 8) % 8;
    ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    out.write(length.putLong(0, json.length + padding).array());
    out.write(json);
    out.write(" ".repeat(padding).getBytes(StandardCharsets.US_ASCII));
    for (HostTensor tensor : tensors.values()) {
      tensor.writeTo(out);
    }
  }

  /**
   * Reads a file whole.
   *
   * @param name for messages
   * @param size of the file in bytes: no header may promise more
   * @throws SqueezeException of category input if the file is not well formed
   */
  public static Safetensors read(InputStream stream, String name, long size) throws IOException {
    DataInputStream in = new DataInputStream(stream);
    try {
      long headerLength = Long.reverseBytes(in.readLong());
      if (headerLength < 2 || headerLength > MAX_HEADER || headerLength > size - 8) {
        throw invalid(name, "its header would be " + headerLength + " of " + size + " bytes");
      }
      JsonNode header = JSON.readTree(in.readNBytes((int) headerLength));
      long dataLength = size - 8 - headerLength;
      Map<String, String> metadata = new LinkedHashMap<>();
      List<Map.Entry<String, JsonNode>> entries = new ArrayList<>();
      for (var fields = header.fields(); fields.hasNext(); ) {
        Map.Entry<String, JsonNode> field = fields.next();
        if (field.getKey().equals("__metadata__")) {
          metadata.putAll(
              JSON.convertValue(field.getValue(), new TypeReference<Map<String, String>>() {}));
        } else {
          entries.add(field);
        }
      }
      entries.sort((a, b) -> Long.compare(begin(a.getValue()), begin(b.getValue())));
      Map<String, HostTensor> tensors = new LinkedHashMap<>();
      long position = 0;
      for (Map.Entry<String, JsonNode> entry : entries) {
        HostTensor tensor = readTensor(in, name, entry, position, dataLength);
        tensors.put(entry.getKey(), tensor);
        position += tensor.bytes().length;
      }
      if (position != dataLength) {
        throw invalid(name, "its tensors cover " + position + " of " + dataLength + " bytes");
      }
      return new Safetensors(tensors, metadata);
    } catch (EOFException e) {
      throw invalid(name, "it ends early");
    } catch (JsonProcessingException | IllegalArgumentException e) {
      throw invalid(name, "its header is not what the format asks for");
    }
  }

  private static HostTensor readTensor(
      DataInputStream in, String name, Map.Entry<String, JsonNode> entry, long position, long total)
      throws IOException {
    JsonNode node = entry.getValue();
    ElementType type = null;
    for (ElementType candidate : ElementType.values()) {
      if (candidate.safetensors().equals(node.path("dtype").asText())) {
        type = candidate;
      }
    }
    if (type == null) {
      throw invalid(name, entry.getKey() + " has the unknown dtype " + node.path("dtype"));
    }
    long[] shape = new long[node.path("shape").size()];
    long bytes = type.bytes();
    for (int i = 0; i < shape.length; i++) {
      shape[i] = node.path("shape").get(i).asLong(-1);
      if (shape[i] < 0 || (shape[i] > 0 && bytes > Integer.MAX_VALUE / shape[i])) {
        throw invalid(name, entry.getKey() + " has the impossible shape " + node.path("shape"));
      }
      bytes *= shape[i];
    }
    long end = node.path("data_offsets").path(1).asLong(-1);
    if (begin(node) != position || end != position + bytes || end > total) {
      throw invalid(name, entry.getKey() + " lies at " + node.path("data_offsets"));
    }
    byte[] data = new byte[(int) bytes];
    in.readFully(data);
    return new HostTensor(type, shape, data);
  }

  private static long begin(JsonNode node) {
    return node.path("data_offsets").path(0).asLong(-1);
  }

  private static SqueezeException invalid(String name, String reason) {
    return SqueezeException.input("Invalid safetensors file " + name + ": " + reason);
  }
}
