package io.squeeze.torch;

import io.squeeze.weights.TensorSource;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Writes a TorchScript archive as {@code torch.jit.save} does: a zip with the source of the
 * program, the tensors' bytes, and a pickle (protocol 2) of the module tree. Equal programs give
 * equal bytes.
 *
 * <p>Format: pytorch/torch/csrc/jit/serialization (pickler.cpp, export_module.cpp), version 3.
 */
public final class ScriptArchive {
  private static final String ROOT = "program/";

  private ScriptArchive() {}

  /**
   * Writes the program.
   *
   * @param out closed afterwards
   */
  public static void write(ScriptProgram program, OutputStream out) throws IOException {
    write(program, "code/__torch__.py", "", null, out);
  }

  /**
   * Writes a program that has another one among its modules. The other one's code, constants and
   * tensors are copied as they are.
   *
   * @param name of the file of the source, and of its namespace: {@code __torch__.NAME}
   * @param embedded may be null
   * @param out closed afterwards
   */
  public static void write(
      ScriptProgram program, String name, EmbeddedProgram embedded, OutputStream out)
      throws IOException {
    write(program, "code/__torch__/" + name + ".py", name + "_", embedded, out);
  }

  private static void write(
      ScriptProgram program, String code, String prefix, EmbeddedProgram embedded, OutputStream out)
      throws IOException {
    try (ZipOutputStream zip = new ZipOutputStream(out)) {
      zip.setLevel(Deflater.NO_COMPRESSION);
      List<TensorSource> tensors = new ArrayList<>();
      entry(zip, "data.pkl", pickle(program.module(), tensors, prefix));
      entry(zip, code, program.source().getBytes(StandardCharsets.UTF_8));
      if (embedded == null) {
        // An empty tuple: PROTO 2, EMPTY_TUPLE, STOP.
        entry(zip, "constants.pkl", new byte[] {(byte) 0x80, 2, ')', '.'});
        entry(zip, "version", "3\n".getBytes(StandardCharsets.US_ASCII));
      } else {
        embedded.copy((entry, bytes) -> entry(zip, entry, bytes));
      }
      for (int i = 0; i < tensors.size(); i++) {
        begin(zip, "data/" + prefix + i);
        OutputStream unclosable =
            new FilterOutputStream(zip) {
              @Override
              public void write(byte[] bytes, int offset, int length) throws IOException {
                out.write(bytes, offset, length);
              }

              @Override
              public void close() throws IOException {
                flush();
              }
            };
        tensors.get(i).writeTo(unclosable);
        zip.closeEntry();
      }
    }
  }

  private static void entry(ZipOutputStream zip, String name, byte[] bytes) throws IOException {
    begin(zip, name);
    zip.write(bytes);
    zip.closeEntry();
  }

  private static void begin(ZipOutputStream zip, String name) throws IOException {
    ZipEntry entry = new ZipEntry(ROOT + name);
    entry.setTime(315_532_800_000L); // 1980, zip's first year: no clock in the bytes
    zip.putNextEntry(entry);
  }

  private static byte[] pickle(ScriptModule module, List<TensorSource> tensors, String prefix)
      throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Pickle pickle = new Pickle(new DataOutputStream(bytes), tensors, prefix);
    pickle.out.write(new byte[] {(byte) 0x80, 2});
    pickle.module(module);
    pickle.out.write('.');
    return bytes.toByteArray();
  }

  /**
   * The few opcodes that a tree of modules and tensors takes. Nothing is memoized, so the opcodes
   * of another pickle may stand among them.
   */
  private record Pickle(DataOutputStream out, List<TensorSource> tensors, String prefix) {

    void module(ScriptModule module) throws IOException {
      int dot = module.className().lastIndexOf('.');
      global(
          dot < 0 ? "__torch__" : "__torch__." + module.className().substring(0, dot),
          module.className().substring(dot + 1));
      out.write(new byte[] {')', (byte) 0x81, '}', '('}); // (), NEWOBJ, {}, MARK
      for (Map.Entry<String, Object> attribute : module.attributes().entrySet()) {
        text(attribute.getKey());
        if (attribute.getValue() instanceof ScriptModule child) {
          module(child);
        } else if (attribute.getValue() instanceof EmbeddedProgram program) {
          out.write(program.opcodes());
        } else {
          tensor((TensorSource) attribute.getValue());
        }
      }
      out.write(new byte[] {'u', 'b'}); // SETITEMS, BUILD
    }

    /** torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks). */
    private void tensor(TensorSource tensor) throws IOException {
      global("torch._utils", "_rebuild_tensor_v2");
      out.write('(');
      out.write('(');
      text("storage");
      global("torch", tensor.type().storage());
      text(prefix + tensors.size());
      text("cpu");
      integer(tensor.elements());
      out.write(new byte[] {'t', 'Q'}); // TUPLE, BINPERSID
      tensors.add(tensor);
      integer(0);
      long[] shape = tensor.shape();
      long[] strides = TensorSource.contiguousStrides(shape);
      tuple(shape);
      tuple(strides);
      out.write(0x89); // False
      global("collections", "OrderedDict");
      out.write(new byte[] {')', 'R', 't', 'R'}); // OrderedDict(), TUPLE, REDUCE
    }

    private void tuple(long[] values) throws IOException {
      out.write('(');
      for (long value : values) {
        integer(value);
      }
      out.write('t');
    }

    private void integer(long value) throws IOException {
      if (value <= Integer.MAX_VALUE) {
        out.write('J');
        out.writeInt(Integer.reverseBytes((int) value));
      } else {
        out.write(0x8a); // LONG1 of eight bytes
        out.write(8);
        out.writeLong(Long.reverseBytes(value));
      }
    }

    private void global(String module, String name) throws IOException {
      out.write('c');
      out.write((module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private void text(String text) throws IOException {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      out.write('X');
      out.writeInt(Integer.reverseBytes(utf8.length));
      out.write(utf8);
    }
  }
}
