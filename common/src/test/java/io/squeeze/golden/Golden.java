package io.squeeze.golden;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** The arrays of an npz file. */
public final class Golden {
  private record Entry(String type, long[] shape, ByteBuffer data) {}

  private final Map<String, Entry> entries = new HashMap<>();

  /** A file among the test resources, which may be packed by gzip. */
  public Golden(String name) {
    String path = "/goldens/" + name + ".npz";
    try (InputStream file = Golden.class.getResourceAsStream(path);
        InputStream packed = Golden.class.getResourceAsStream(path + ".gz")) {
      read(file == null ? new GZIPInputStream(packed) : file);
    } catch (IOException e) {
      throw new IllegalStateException("Cannot read " + path, e);
    }
  }

  /** A file of a folder. */
  public Golden(Path folder, String name) throws IOException {
    try (InputStream file = Files.newInputStream(folder.resolve(name + ".npz"))) {
      read(file);
    }
  }

  private void read(InputStream file) throws IOException {
    try (ZipInputStream zip = new ZipInputStream(file)) {
      for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
        entries.put(entry.getName().replaceAll("\\.npy$", ""), parse(zip.readAllBytes()));
      }
    }
  }

  /** The names of all arrays. */
  public Set<String> names() {
    return Collections.unmodifiableSet(entries.keySet());
  }

  public boolean has(String name) {
    return entries.containsKey(name);
  }

  /** npy: 8 bytes of magic and version, header length, a Python dict as text, the data. */
  private static Entry parse(byte[] npy) {
    ByteBuffer buffer = ByteBuffer.wrap(npy).order(ByteOrder.LITTLE_ENDIAN);
    int header = buffer.getShort(8);
    String text = new String(npy, 10, header, StandardCharsets.US_ASCII);
    String type = text.replaceAll("(?s).*'descr': '([^']+)'.*", "$1");
    String sizes = text.replaceAll("(?s).*'shape': \\(([^)]*)\\).*", "$1").replace(" ", "");
    long[] shape =
        sizes.isEmpty()
            ? new long[0]
            : Arrays.stream(sizes.split(",")).mapToLong(Long::parseLong).toArray();
    ByteBuffer data = buffer.position(10 + header).slice().order(ByteOrder.LITTLE_ENDIAN);
    return new Entry(type, shape, data);
  }

  private Entry entry(String name, String type) {
    Entry entry = entries.get(name);
    if (entry == null || !entry.type().endsWith(type)) {
      throw new IllegalArgumentException("No " + type + " " + name + " in " + entries.keySet());
    }
    return entry;
  }

  public long[] shape(String name) {
    return entries.get(name).shape();
  }

  public float[] floats(String name) {
    float[] values = new float[entry(name, "f4").data().remaining() / 4];
    entry(name, "f4").data().asFloatBuffer().get(values);
    return values;
  }

  public double[] doubles(String name) {
    double[] values = new double[entry(name, "f8").data().remaining() / 8];
    entry(name, "f8").data().asDoubleBuffer().get(values);
    return values;
  }

  /** int64, or int32 as such. */
  public long[] longs(String name) {
    if (entries.get(name).type().endsWith("i4")) {
      return Arrays.stream(ints(name)).asLongStream().toArray();
    }
    long[] values = new long[entry(name, "i8").data().remaining() / 8];
    entry(name, "i8").data().asLongBuffer().get(values);
    return values;
  }

  /** Whole numbers of up to 32 bits, signed or not. */
  public long[] numbers(String name) {
    ByteBuffer data = entries.get(name).data();
    String type = entries.get(name).type();
    int size = type.charAt(type.length() - 1) - '0';
    long[] values = new long[data.remaining() / size];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          switch (size) {
            case 1 -> data.get(i) & 0xFF;
            case 2 -> data.getShort(2 * i) & 0xFFFF;
            default -> data.getInt(4 * i);
          };
    }
    return values;
  }

  public int[] ints(String name) {
    int[] values = new int[entry(name, "i4").data().remaining() / 4];
    entry(name, "i4").data().asIntBuffer().get(values);
    return values;
  }

  public boolean[] booleans(String name) {
    boolean[] values = new boolean[entry(name, "b1").data().remaining()];
    for (int i = 0; i < values.length; i++) {
      values[i] = entry(name, "b1").data().get(i) != 0;
    }
    return values;
  }

  public byte[] bytes(String name) {
    byte[] values = new byte[entry(name, "u1").data().remaining()];
    entry(name, "u1").data().slice().get(values);
    return values;
  }

  /** A float32 array as a tensor of another shape (or its own, without any). */
  public HostTensor tensor(String name, long... shape) {
    return HostTensor.of(floats(name), shape.length == 0 ? shape(name) : shape);
  }

  public NDArray array(NDManager manager, String name) {
    return Torch.floats(manager, new Shape(shape(name)), b -> b.put(floats(name)));
  }

  public NDArray indices(NDManager manager, String name) {
    return manager.create(longs(name), new Shape(shape(name)));
  }
}
