package io.squeeze.weights;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes state dicts in the form of torch.save's zip, and pickles opcode by opcode. */
public final class TorchSave {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  /** Opcodes and other single bytes. */
  public TorchSave op(int... bytes) {
    for (int b : bytes) {
      out.write(b);
    }
    return this;
  }

  public TorchSave global(String module, String name) {
    out.writeBytes(("c" + module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
    return this;
  }

  public TorchSave text(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    return op('X').number(utf8.length, 4).raw(utf8);
  }

  /** LONG1 of eight bytes. */
  public TorchSave integer(long value) {
    return op(0x8a, 8).number(value, 8);
  }

  public TorchSave integers(long... values) {
    op('(');
    for (long value : values) {
      integer(value);
    }
    return op('t');
  }

  public TorchSave number(long value, int bytes) {
    byte[] all = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
    out.write(all, 0, bytes);
    return this;
  }

  public TorchSave raw(byte[] bytes) {
    out.writeBytes(bytes);
    return this;
  }

  /** {name: tensor over storage key} as one item of a dict. */
  public TorchSave tensor(
      String name, String storage, String key, long elements, long offset, long[]... view) {
    text(name).global("torch._utils", "_rebuild_tensor_v2").op('(', '(').text("storage");
    global("torch", storage).text(key).text("cpu").integer(elements).op('t', 'Q');
    integer(offset).integers(view[0]).integers(view[1]);
    return op(0x89).global("collections", "OrderedDict").op(')', 'R', 't', 'R');
  }

  public byte[] bytes() {
    return out.toByteArray();
  }

  /** Begins an OrderedDict whose items follow. */
  public static TorchSave dict() {
    return new TorchSave().op(0x80, 2).global("collections", "OrderedDict").op(')', 'R', '(');
  }

  /** The file that torch.save(state_dict) makes. */
  public static Path zip(Path file, Map<String, ? extends TensorSource> tensors)
      throws IOException {
    TorchSave pickle = dict();
    int key = 0;
    for (Map.Entry<String, ? extends TensorSource> entry : tensors.entrySet()) {
      long[] shape = entry.getValue().shape();
      long[] strides = TensorSource.contiguousStrides(shape);
      String storage = entry.getValue().type().storage();
      long elements = entry.getValue().elements();
      pickle.tensor(entry.getKey(), storage, Integer.toString(key++), elements, 0, shape, strides);
    }
    try (OutputStream target = Files.newOutputStream(file);
        ZipOutputStream zip = new ZipOutputStream(target)) {
      store(zip, "archive/data.pkl", pickle.op('u', '.').bytes());
      store(zip, "archive/byteorder", "little".getBytes(StandardCharsets.US_ASCII));
      key = 0;
      for (TensorSource tensor : tensors.values()) {
        store(zip, "archive/data/" + key++, HostTensor.of(tensor).bytes());
      }
      store(zip, "archive/version", "3\n".getBytes(StandardCharsets.US_ASCII));
    }
    return file;
  }

  /** Adds an entry without compression. */
  public static void store(ZipOutputStream zip, String name, byte[] content) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(content);
    ZipEntry entry = new ZipEntry(name);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(content.length);
    entry.setCrc(crc.getValue());
    zip.putNextEntry(entry);
    zip.write(content);
    zip.closeEntry();
  }
}
