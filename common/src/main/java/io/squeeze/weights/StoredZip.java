package io.squeeze.weights;

import io.squeeze.config.SqueezeException;
import io.squeeze.storage.RandomReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The directory of a zip whose entries are not compressed, as {@code torch.save} writes it: where
 * each entry's bytes lie. Every number of the file is checked before anything is allocated by it.
 *
 * <p>Format: PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.12 to 4.3.16, zip64 included.
 */
final class StoredZip {
  static final int LOCAL_HEADER = 0x04034b50;
  private static final int CENTRAL_HEADER = 0x02014b50;
  private static final int END = 0x06054b50;
  private static final int END_64 = 0x06064b50;
  private static final int LOCATOR_64 = 0x07064b50;
  private static final int MAX_ENTRIES = 100_000;
  private static final int MAX_DIRECTORY = 32 << 20;

  private final RandomReader file;
  private final String name;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private long directory;

  /** Where an entry's local header lies, and the number of bytes of its content. */
  record Entry(String name, long header, long size) {}

  /** Where an entry's content lies in the file. */
  record Region(long position, long size) {}

  /**
   * Reads the directory.
   *
   * @param name for messages
   * @throws SqueezeException of category input if the file is not as described
   */
  StoredZip(RandomReader file, String name) throws IOException {
    this.file = file;
    this.name = name;
    readDirectory();
  }

  /** The name of every entry. */
  Iterable<String> names() {
    return entries.keySet();
  }

  /** The entry's bytes; null where there is none. */
  Region find(String entry) throws IOException {
    Entry found = entries.get(entry);
    if (found == null) {
      return null;
    }
    ByteBuffer header = read(found.header(), 30);
    int nameLength = Short.toUnsignedInt(header.getShort(26));
    long position = found.header() + 30 + nameLength + Short.toUnsignedInt(header.getShort(28));
    boolean honest =
        header.getInt(0) == LOCAL_HEADER
            && text(read(found.header() + 30, nameLength)).equals(entry);
    if (!honest || found.size() > directory - position) {
      throw invalid("the header of " + entry + " contradicts the directory");
    }
    return new Region(position, found.size());
  }

  private void readDirectory() throws IOException {
    int tail = (int) Math.min(file.length(), 22 + 0xFFFF);
    ByteBuffer end = read(file.length() - tail, tail);
    int at = tail - 22;
    while (at >= 0
        && !(end.getInt(at) == END
            && Short.toUnsignedInt(end.getShort(at + 20)) == tail - 22 - at)) {
      at--;
    }
    if (at < 0) {
      throw invalid("it has no directory of entries: it may be cut off");
    }
    long endPosition = file.length() - tail + at;
    long count = Short.toUnsignedLong(end.getShort(at + 10));
    long size = Integer.toUnsignedLong(end.getInt(at + 12));
    directory = Integer.toUnsignedLong(end.getInt(at + 16));
    if ((count == 0xFFFF || size == 0xFFFFFFFFL || directory == 0xFFFFFFFFL)
        && endPosition >= 20
        && read(endPosition - 20, 20).getInt(0) == LOCATOR_64) {
      long position = read(endPosition - 20, 20).getLong(8);
      if (position < 0 || position > endPosition - 20 - 56) {
        throw invalid("its zip64 record lies outside of it");
      }
      ByteBuffer large = read(position, 56);
      if (large.getInt(0) != END_64) {
        throw invalid("its zip64 record has a wrong signature");
      }
      count = large.getLong(32);
      size = large.getLong(40);
      directory = large.getLong(48);
      endPosition = position;
    }
    if (count < 0 || count > MAX_ENTRIES || size > MAX_DIRECTORY) {
      throw invalid(
          "its directory has %s entries in %s bytes; at most %s in %s are read"
              .formatted(
                  Long.toUnsignedString(count),
                  Long.toUnsignedString(size),
                  MAX_ENTRIES,
                  MAX_DIRECTORY));
    }
    if (size < 46 * count || directory < 0 || directory > endPosition - size) {
      throw invalid("its directory lies outside of it");
    }
    ByteBuffer headers = read(directory, (int) size);
    long total = 0;
    for (long i = 0; i < count; i++) {
      Entry entry = readEntry(headers);
      total += entry.size();
      if (total > file.length()) {
        throw invalid("its entries together are larger than the file");
      }
      if (entries.put(entry.name(), entry) != null) {
        throw invalid("it has two entries " + entry.name());
      }
    }
  }

  private Entry readEntry(ByteBuffer headers) {
    int at = headers.position();
    if (headers.remaining() < 46 || headers.getInt(at) != CENTRAL_HEADER) {
      throw invalid("its directory is cut off");
    }
    int flags = headers.getShort(at + 8);
    int method = Short.toUnsignedInt(headers.getShort(at + 10));
    long packed = Integer.toUnsignedLong(headers.getInt(at + 20));
    long size = Integer.toUnsignedLong(headers.getInt(at + 24));
    int nameLength = Short.toUnsignedInt(headers.getShort(at + 28));
    int extraLength = Short.toUnsignedInt(headers.getShort(at + 30));
    int commentLength = Short.toUnsignedInt(headers.getShort(at + 32));
    long header = Integer.toUnsignedLong(headers.getInt(at + 42));
    if (headers.remaining() < 46L + nameLength + extraLength + commentLength) {
      throw invalid("its directory is cut off");
    }
    String entry = text(headers.slice(at + 46, nameLength));
    ByteBuffer extra =
        headers.slice(at + 46 + nameLength, extraLength).order(ByteOrder.LITTLE_ENDIAN);
    headers.position(at + 46 + nameLength + extraLength + commentLength);
    while (extra.remaining() >= 4) {
      int id = Short.toUnsignedInt(extra.getShort());
      int length = Short.toUnsignedInt(extra.getShort());
      if (length > extra.remaining()) {
        break;
      }
      ByteBuffer field = extra.slice(extra.position(), length).order(ByteOrder.LITTLE_ENDIAN);
      extra.position(extra.position() + length);
      if (id == 1) {
        size = large(field, size);
        packed = large(field, packed);
        header = large(field, header);
      }
    }
    checkName(entry);
    if ((flags & 1) != 0 || method != 0 || packed != size) {
      throw invalid(
          "the entry " + entry + " is compressed or encrypted, which torch.save never does");
    }
    if (size < 0 || header < 0 || header > directory - 30 || size > directory - 30 - header) {
      throw invalid("the entry " + entry + " lies outside of the file");
    }
    return new Entry(entry, header, size);
  }

  /** In zip64, what does not fit 32 bits stands in the extra field, one after the other. */
  private static long large(ByteBuffer field, long value) {
    return value == 0xFFFFFFFFL && field.remaining() >= 8 ? field.getLong() : value;
  }

  private void checkName(String entry) {
    boolean climbs = ("/" + entry + "/").contains("/../");
    if (entry.isEmpty()
        || entry.startsWith("/")
        || climbs
        || entry.indexOf('\\') >= 0
        || entry.indexOf(0) >= 0) {
      throw invalid("it has an entry with the unsafe name \"" + entry + "\"");
    }
  }

  private static String text(ByteBuffer bytes) {
    return StandardCharsets.UTF_8.decode(bytes).toString();
  }

  private ByteBuffer read(long position, int length) throws IOException {
    byte[] bytes = new byte[length];
    file.readFully(position, bytes, 0, length);
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private SqueezeException invalid(String reason) {
    return SqueezeException.input("Invalid torch archive " + name + ": " + reason);
  }
}
