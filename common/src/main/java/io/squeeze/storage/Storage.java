package io.squeeze.storage;

import io.squeeze.config.SqueezeException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Reads files by path: the local disk here, whatever Hadoop knows in the Spark jobs. */
public interface Storage extends Serializable {
  String BYTE_ORDER_MARK = "\uFEFF";

  /** Bytes of a file that is read whole, at most. */
  int LARGEST_TEXT = 256 << 20;

  /** One file of a folder: its full path and its length in bytes. */
  record Entry(String path, long length) {

    /** The file's name, without its folder. */
    public String name() {
      return path.substring(path.lastIndexOf('/') + 1);
    }
  }

  /**
   * Opens a file for reading.
   *
   * @throws java.io.FileNotFoundException or NoSuchFileException if there is none
   */
  InputStream open(String path) throws IOException;

  /** The first bytes of a file, {@code most} of them at most; errors as for {@link #open}. */
  default byte[] bytes(String path, int most) throws IOException {
    try (InputStream in = open(path)) {
      return in.readNBytes(most);
    }
  }

  /** Opens a file for reading at any position; errors as for {@link #open}. */
  RandomReader openRandom(String path) throws IOException;

  /** Length in bytes. */
  long length(String path) throws IOException;

  boolean exists(String path) throws IOException;

  /** The files directly in a folder, one at a time, in no promised order; close the stream. */
  Stream<Entry> list(String folder) throws IOException;

  /** The names of the folders directly in a folder, sorted; none where there is no such folder. */
  Stream<String> folders(String folder) throws IOException;

  /**
   * A text file whole: a manifest, settings, metrics.
   *
   * @throws SqueezeException of category input if it is larger than any of these
   */
  default String text(String path) throws IOException {
    byte[] bytes = bytes(path, LARGEST_TEXT + 1);
    if (bytes.length > LARGEST_TEXT) {
      throw SqueezeException.input(
          path + " has more than " + LARGEST_TEXT + " bytes: it is no manifest or settings");
    }
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** The lines of a text file, one at a time, without empty ones and comments; close the stream. */
  default Stream<String> lines(String path) throws IOException {
    BufferedReader reader =
        new BufferedReader(
            new ShortLines(new InputStreamReader(open(path), StandardCharsets.UTF_8), path));
    return reader
        .lines()
        // Some editors begin a file with a mark of its encoding.
        .map(line -> line.startsWith(BYTE_ORDER_MARK) ? line.substring(1) : line)
        .filter(line -> !line.isBlank() && !line.startsWith("#"))
        .onClose(() -> close(reader));
  }

  private static void close(BufferedReader reader) {
    try {
      reader.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Reads the local disk. */
  static Storage local() {
    return new Local();
  }

  /** Joins with exactly one slash. */
  static String join(String folder, String child) {
    return folder.endsWith("/") ? folder + child : folder + "/" + child;
  }

  /** The local disk. */
  final class Local implements Storage {
    private static final long serialVersionUID = 1L;

    private Local() {}

    @Override
    public InputStream open(String path) throws IOException {
      return Files.newInputStream(Path.of(path));
    }

    @Override
    public byte[] bytes(String path, int most) throws IOException {
      Path file = Path.of(path);
      // In one piece, where readNBytes joins many.
      return Files.size(file) <= most ? Files.readAllBytes(file) : Storage.super.bytes(path, most);
    }

    @Override
    public RandomReader openRandom(String path) throws IOException {
      return RandomReader.local(Path.of(path));
    }

    @Override
    public long length(String path) throws IOException {
      return Files.size(Path.of(path));
    }

    @Override
    public boolean exists(String path) {
      return Files.exists(Path.of(path));
    }

    @Override
    @SuppressWarnings("StreamResourceLeak") // handed to the caller, who closes it
    public Stream<Entry> list(String folder) throws IOException {
      return Files.list(Path.of(folder)).filter(Files::isRegularFile).map(Local::entry);
    }

    @Override
    public Stream<String> folders(String folder) throws IOException {
      Path path = Path.of(folder);
      if (!Files.isDirectory(path)) {
        return Stream.empty();
      }
      try (Stream<Path> all = Files.list(path)) {
        return all
            .filter(Files::isDirectory)
            .map(child -> child.getFileName().toString())
            .sorted()
            .toList()
            .stream();
      }
    }

    private static Entry entry(Path path) {
      try {
        return new Entry(path.toString(), Files.size(path));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
