package io.squeeze.torch;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Enumeration;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * A TorchScript archive that becomes a module of another one: its pickle is a value in the other's,
 * its files are copied.
 */
public final class EmbeddedProgram {
  private static final int PROTO = 0x80;
  private static final int GLOBAL = 'c';
  private static final int STOP = '.';

  private final Path path;
  private final byte[] pickle;
  private final String className;

  private EmbeddedProgram(Path path, byte[] pickle, String className) {
    this.path = path;
    this.pickle = pickle;
    this.className = className;
  }

  /** Takes a file's bytes with its name below the archive's root. */
  interface Target {
    void take(String name, byte[] bytes) throws IOException;
  }

  /**
   * Opens an archive.
   *
   * @throws IOException if it is no TorchScript archive whose root is a module
   */
  public static EmbeddedProgram open(Path path) throws IOException {
    try (ZipFile zip = new ZipFile(path.toFile())) {
      for (Enumeration<? extends ZipEntry> all = zip.entries(); all.hasMoreElements(); ) {
        ZipEntry entry = all.nextElement();
        if (below(entry).equals("data.pkl")) {
          byte[] pickle = zip.getInputStream(entry).readAllBytes();
          return new EmbeddedProgram(path, pickle, className(path, pickle));
        }
      }
    }
    throw new ZipException(path + " holds no data.pkl: it is no TorchScript archive");
  }

  /** The class of its root: PROTO 2, GLOBAL, the name of the module, that of the class. */
  private static String className(Path path, byte[] pickle) throws IOException {
    int last = pickle.length - 1;
    if (pickle.length < 4
        || (pickle[0] & 0xFF) != PROTO
        || pickle[2] != GLOBAL
        || pickle[last] != STOP) {
      throw new ZipException(path + " is a TorchScript archive whose root is no module");
    }
    String[] lines =
        new String(pickle, 3, Math.min(last, 4096) - 3, StandardCharsets.ISO_8859_1).split("\n", 3);
    return lines[0] + "." + lines[1];
  }

  /** The qualified name of its class. */
  public String className() {
    return className;
  }

  /** The opcodes that leave its root on the stack. */
  byte[] opcodes() {
    return Arrays.copyOfRange(pickle, 2, pickle.length - 1);
  }

  /** Copies its code, constants and tensors. */
  void copy(Target target) throws IOException {
    try (ZipFile zip = new ZipFile(path.toFile())) {
      for (Enumeration<? extends ZipEntry> all = zip.entries(); all.hasMoreElements(); ) {
        ZipEntry entry = all.nextElement();
        String name = below(entry);
        boolean code = name.startsWith("code/") && name.endsWith(".py");
        boolean data = name.startsWith("data/") || name.startsWith("constants/");
        boolean format =
            name.equals("constants.pkl") || name.equals("version") || name.equals("byteorder");
        if (code || data || format) {
          target.take(name, zip.getInputStream(entry).readAllBytes());
        }
      }
    }
  }

  private static String below(ZipEntry entry) {
    return entry.getName().substring(entry.getName().indexOf('/') + 1);
  }
}
