package io.squeeze.weights;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.squeeze.config.SqueezeException;
import io.squeeze.storage.RandomReader;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32C;

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

  /** CRC-32C over metadata, names, types, shapes and bytes, as eight hexadecimal digits. */
  public String checksum() {
    CRC32C crc = new CRC32C();
    new TreeMap<>(metadata).forEach((name, value) -> update(crc, name + "=" + value + "\n"));
    tensors.forEach(
        (name, tensor) -> {
          update(crc, name + tensor.type() + Arrays.toString(tensor.shape()));
          crc.update(tensor.bytes());
        });
    return String.format(Locale.ROOT, "%08x", crc.getValue());
  }

  private static void update(CRC32C crc, String text) {
    crc.update(text.getBytes(StandardCharsets.UTF_8));
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
      int headerLength = headerLength(Long.reverseBytes(in.readLong()), name, size);
      Header header = Header.parse(in.readNBytes(headerLength), name, size - 8 - headerLength);
      Map<String, HostTensor> tensors = new LinkedHashMap<>();
      for (Place place : header.places()) {
        byte[] data = new byte[(int) HostTensor.byteSize(place.type(), place.shape())];
        in.readFully(data);
        tensors.put(place.name(), new HostTensor(place.type(), place.shape(), data));
      }
      return new Safetensors(tensors, header.metadata());
    } catch (EOFException e) {
      throw invalid(name, "it ends early");
    }
  }

  /** The tensors of a file, read when they are written. */
  static Map<String, TensorSource> lazy(RandomReader file, String name) throws IOException {
    byte[] first = new byte[8];
    file.readFully(0, first, 0, 8);
    long length = ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN).getLong();
    byte[] json = new byte[headerLength(length, name, file.length())];
    file.readFully(8, json, 0, json.length);
    long data = 8L + json.length;
    Map<String, TensorSource> tensors = new LinkedHashMap<>();
    for (Place place : Header.parse(json, name, file.length() - data).places()) {
      tensors.put(
          place.name(),
          FileTensor.contiguous(file, data + place.begin(), place.type(), place.shape()));
    }
    return tensors;
  }

  private static int headerLength(long length, String name, long size) {
    if (length < 2 || length > MAX_HEADER || length > size - 8) {
      throw invalid(name, "its header would be " + length + " of " + size + " bytes");
    }
    return (int) length;
  }

  /** Where a tensor lies behind the header. */
  private record Place(String name, ElementType type, long[] shape, long begin) {}

  private record Header(List<Place> places, Map<String, String> metadata) {

    /** Checks that the tensors cover the data without gaps. */
    static Header parse(byte[] json, String name, long dataLength) throws IOException {
      Map<String, String> metadata = new LinkedHashMap<>();
      List<Map.Entry<String, JsonNode>> entries = new ArrayList<>();
      try {
        for (Map.Entry<String, JsonNode> field : JSON.readTree(json).properties()) {
          if (field.getKey().equals("__metadata__")) {
            metadata.putAll(
                JSON.convertValue(field.getValue(), new TypeReference<Map<String, String>>() {}));
          } else {
            entries.add(field);
          }
        }
      } catch (JsonProcessingException | IllegalArgumentException e) {
        throw invalid(name, "its header is not what the format asks for");
      }
      entries.sort((a, b) -> Long.compare(begin(a.getValue()), begin(b.getValue())));
      List<Place> places = new ArrayList<>();
      long position = 0;
      for (Map.Entry<String, JsonNode> entry : entries) {
        Place place = place(name, entry, position, dataLength);
        places.add(place);
        position += HostTensor.byteSize(place.type(), place.shape());
      }
      if (position != dataLength) {
        throw invalid(name, "its tensors cover " + position + " of " + dataLength + " bytes");
      }
      return new Header(places, metadata);
    }
  }

  private static Place place(
      String name, Map.Entry<String, JsonNode> entry, long position, long total) {
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
    for (int i = 0; i < shape.length; i++) {
      shape[i] = node.path("shape").get(i).asLong(-1);
    }
    long bytes;
    try {
      bytes = HostTensor.byteSize(type, shape);
    } catch (SqueezeException e) {
      throw invalid(name, entry.getKey() + " has the impossible shape " + node.path("shape"));
    }
    long end = node.path("data_offsets").path(1).asLong(-1);
    if (begin(node) != position || end != position + bytes || end > total) {
      throw invalid(name, entry.getKey() + " lies at " + node.path("data_offsets"));
    }
    return new Place(entry.getKey(), type, shape, position);
  }

  private static long begin(JsonNode node) {
    return node.path("data_offsets").path(0).asLong(-1);
  }

  private static SqueezeException invalid(String name, String reason) {
    return SqueezeException.input("Invalid safetensors file " + name + ": " + reason);
  }
}
