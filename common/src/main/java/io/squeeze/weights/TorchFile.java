package io.squeeze.weights;

import io.squeeze.config.SqueezeException;
import io.squeeze.storage.RandomReader;
import io.squeeze.weights.Unpickler.Storage;
import io.squeeze.weights.Unpickler.Tensor;
import java.io.EOFException;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What {@code torch.save} wrote: a zip, or the format before torch 1.6, which several official
 * files still have. Formats: pytorch/torch/serialization.py.
 */
final class TorchFile {
  private static final BigInteger LEGACY_MAGIC = new BigInteger("1950a86a20f9469cfc6c", 16);
  private static final List<String> NESTED = List.of("state_dict", "model_state_dict", "model");

  private final RandomReader file;
  private final String name;

  private TorchFile(RandomReader file, String name) {
    this.file = file;
    this.name = name;
  }

  /** The tensors by name, in the order of the file; they are read when they are written. */
  static Map<String, TensorSource> read(RandomReader file, String name, boolean zip)
      throws IOException {
    TorchFile torch = new TorchFile(file, name);
    try {
      return zip ? torch.zip() : torch.legacy();
    } catch (EOFException e) {
      throw torch.invalid("it ends early");
    }
  }

  /** Where a storage's bytes begin, once it is known to hold so many of its elements. */
  private interface Storages {
    long position(Storage storage) throws IOException;
  }

  private Map<String, TensorSource> zip() throws IOException {
    StoredZip zip = new StoredZip(file, name);
    String root = null;
    for (String entry : zip.names()) {
      if (entry.equals("data.pkl") || entry.endsWith("/data.pkl")) {
        root = entry.substring(0, entry.length() - "data.pkl".length());
      }
    }
    if (root == null) {
      throw invalid("it has no entry data.pkl");
    }
    if (zip.find(root + "constants.pkl") != null) {
      throw SqueezeException.input(
          name + " is a TorchScript program, not a state dict: name it with --model");
    }
    StoredZip.Region order = zip.find(root + "byteorder");
    if (order != null && order.size() == 3) {
      throw invalid("it was written on a big-endian machine");
    }
    StoredZip.Region pickle = zip.find(root + "data.pkl");
    Object top =
        new Unpickler(file, name, pickle.position(), pickle.position() + pickle.size()).load();
    String folder = root + "data/";
    return tensors(
        top,
        storage -> {
          StoredZip.Region region = zip.find(folder + storage.key());
          if (region == null) {
            throw invalid("the storage " + storage.key() + " is missing");
          }
          check(storage, region.size());
          return region.position();
        });
  }

  private void check(Storage storage, long bytes) {
    if (storage.elements() != bytes / storage.type().bytes()
        || bytes % storage.type().bytes() != 0) {
      throw invalid(
          "the storage %s should have %s elements of %s, found %s bytes"
              .formatted(storage.key(), storage.elements(), storage.type(), bytes));
    }
  }

  /** Magic number, protocol, system, the object, the keys of its storages, then those. */
  private Map<String, TensorSource> legacy() throws IOException {
    Unpickler magic = new Unpickler(file, name, 0, file.length());
    if (!LEGACY_MAGIC.equals(magic.load())) {
      throw invalid("it does not begin with torch's magic number");
    }
    Unpickler protocol = follow(magic);
    if (!Long.valueOf(1001).equals(protocol.load())) {
      throw invalid("its protocol is not 1001");
    }
    Unpickler system = follow(protocol);
    if (system.load() instanceof Map<?, ?> map && Boolean.FALSE.equals(map.get("little_endian"))) {
      throw invalid("it was written on a big-endian machine");
    }
    Unpickler object = follow(system);
    Object top = object.load();
    Unpickler keys = follow(object);
    if (!(keys.load() instanceof List<?> list)) {
      throw invalid("it has no list of storages");
    }
    Map<String, Long> positions = new HashMap<>();
    long position = keys.position();
    for (Object key : list) {
      Storage storage = key instanceof String text ? object.storages().get(text) : null;
      if (storage == null) {
        throw invalid("it holds a storage that it does not describe");
      }
      byte[] header = new byte[8];
      file.readFully(position, header, 0, 8);
      long elements = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).getLong();
      position += 8;
      if (elements != storage.elements()
          || elements > (file.length() - position) / storage.type().bytes()) {
        throw invalid(
            ("the storage %s should have %s elements, its header says %s and %s bytes are "
                    + "left")
                .formatted(storage.key(), storage.elements(), elements, file.length() - position));
      }
      positions.put(storage.key(), position);
      position += elements * storage.type().bytes();
    }
    return tensors(
        top,
        storage -> {
          Long found = positions.get(storage.key());
          if (found == null) {
            throw invalid("the storage " + storage.key() + " is missing");
          }
          return found;
        });
  }

  private Unpickler follow(Unpickler before) {
    return new Unpickler(file, name, before.position(), file.length());
  }

  /** The tensors of the state dict, which may stand one level down. */
  private Map<String, Tensor> views(Object top) {
    Object dict = top;
    if (top instanceof Map<?, ?> map) {
      for (String key : NESTED) {
        if (map.get(key) instanceof Map<?, ?> inner) {
          dict = inner;
          break;
        }
      }
    }
    Map<String, Tensor> views = named(dict);
    if (views.isEmpty() && dict instanceof Map<?, ?> map) {
      // A wrapper with names of its own, such as {"net": ..., "epoch": ...}.
      Map<String, Map<String, Tensor>> inner = new TreeMap<>();
      map.forEach((key, value) -> inner.put(String.valueOf(key), named(value)));
      inner.values().removeIf(Map::isEmpty);
      if (inner.size() > 1) {
        throw invalid(
            "it holds several state dicts (%s): save the one that is meant by itself"
                .formatted(String.join(", ", inner.keySet())));
      }
      views = inner.values().stream().findFirst().orElse(views);
    }
    if (views.isEmpty()) {
      throw invalid("it holds no state dict: no tensors by name");
    }
    return views;
  }

  private static Map<String, Tensor> named(Object dict) {
    Map<String, Tensor> views = new LinkedHashMap<>();
    if (dict instanceof Map<?, ?> map) {
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        if (entry.getKey() instanceof String key && entry.getValue() instanceof Tensor tensor) {
          views.put(key, tensor);
        }
      }
    }
    return views;
  }

  private Map<String, TensorSource> tensors(Object top, Storages storages) throws IOException {
    Map<String, TensorSource> tensors = new LinkedHashMap<>();
    for (Map.Entry<String, Tensor> entry : views(top).entrySet()) {
      Tensor view = entry.getValue();
      Storage storage = view.storage();
      tensors.put(
          entry.getKey(),
          FileTensor.view(
              entry.getKey() + " of " + name,
              file,
              storages.position(storage),
              storage.type(),
              storage.elements(),
              view.offset(),
              view.shape(),
              view.strides()));
    }
    return tensors;
  }

  private SqueezeException invalid(String reason) {
    return SqueezeException.input("Invalid torch file " + name + ": " + reason);
  }
}
