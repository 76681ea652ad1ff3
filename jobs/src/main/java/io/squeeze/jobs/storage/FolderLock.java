package io.squeeze.jobs.storage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.config.SqueezeException;
import io.squeeze.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.NoSuchFileException;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Prevents two runs from writing to one folder at the same time. The lock is a file that names the
 * writing process.
 */
public final class FolderLock {
  /** Its name in the folder. */
  public static final String NAME = "_lock";

  private static final Logger LOG = LoggerFactory.getLogger(FolderLock.class);
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * The locks that this process holds. A process number alone is not enough: in a container, the
   * next process can have the same number.
   */
  private static final Set<String> HELD = ConcurrentHashMap.newKeySet();

  /** How often an empty lock is read again. All these reads together take seconds. */
  private static final int LOOKS = 10;

  /** Key of Hadoop's configuration: milliseconds between two looks. */
  public static final String LOOK_MILLIS = "squeeze.lock.look-millis";

  private final HadoopStorage storage;
  private final String path;

  private final String mine;

  private FolderLock(HadoopStorage storage, String path, String mine) {
    this.storage = storage;
    this.path = path;
    this.mine = mine;
  }

  /**
   * Takes the lock of a folder. If its holder was a process of this machine that has ended, or if
   * the lock stays empty, it is taken over.
   *
   * @throws SqueezeException of category configuration if another run holds it
   */
  static FolderLock take(HadoopStorage storage, String folder) throws IOException {
    String path = Storage.join(folder, NAME);
    String host = InetAddress.getLocalHost().getHostName();
    long pid = ProcessHandle.current().pid();
    String mine =
        JSON.writeValueAsString(
            Map.of("host", host, "pid", pid, "since", Instant.now().toString()));
    if (!storage.create(path, mine)) {
      String found = named(storage, path);
      JsonNode holder = holder(found);
      // An empty lock is of a process that ended while it took the lock.
      boolean here = found.isBlank() || holder.path("host").asText().equals(host);
      long other = holder.path("pid").asLong(-1);
      // This process knows its own locks: another lock with its number is of an earlier process.
      boolean running = other != pid && ProcessHandle.of(other).isPresent();
      if (!here || running) {
        throw refused(folder, path, found);
      }
      LOG.warn("Taking over {} from a process that has ended", path);
      takeAway(storage, folder, path, found);
      return take(storage, folder);
    }
    return new FolderLock(storage, path, mine);
  }

  /** What is done while a folder is locked. */
  public interface Action<T> {
    T run() throws IOException;
  }

  /**
   * Does something while this process holds the lock of a folder.
   *
   * @throws SqueezeException of category configuration if another run holds it
   */
  public static <T> T holding(HadoopStorage storage, String folder, Action<T> action)
      throws IOException {
    String path = Storage.join(folder, NAME);
    if (!HELD.add(path)) {
      throw refused(folder, path, present(storage, path));
    }
    try {
      FolderLock lock = take(storage, folder);
      try {
        return action.run();
      } finally {
        lock.close();
      }
    } finally {
      HELD.remove(path);
    }
  }

  private static SqueezeException refused(String folder, String path, String found) {
    return SqueezeException.configuration(
        "Another run writes to %s (%s): wait for it, or delete %s if it has ended"
            .formatted(folder, found.strip(), path));
  }

  /**
   * Moves an old lock away. Two processes may find the same lock: one moves it away, and the other
   * may then find the new lock of the first in its place.
   */
  private static void takeAway(HadoopStorage storage, String folder, String path, String found)
      throws IOException {
    String away = path + "." + UUID.randomUUID();
    try {
      storage.move(path, away);
    } catch (IOException e) {
      if (storage.exists(path)) {
        throw refused(folder, path, present(storage, path));
      }
      return; // it is free
    }
    String moved = storage.text(away);
    if (!moved.equals(found)) {
      storage.move(away, path);
      throw refused(folder, path, moved);
    }
    storage.delete(away);
  }

  /** The text of a lock. An empty lock is read again, because its process may still write it. */
  private static String named(HadoopStorage storage, String path) throws IOException {
    String found = present(storage, path);
    for (int look = 0; look < LOOKS && found.isBlank(); look++) {
      try {
        Thread.sleep(storage.configuration().getLong(LOOK_MILLIS, 300));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return found;
      }
      found = present(storage, path);
    }
    return found;
  }

  /** What the file says; nothing where there is none, or none any more. */
  private static String present(HadoopStorage storage, String path) throws IOException {
    try {
      return storage.text(path);
    } catch (FileNotFoundException | NoSuchFileException e) {
      return "";
    }
  }

  private static JsonNode holder(String text) {
    try {
      return JSON.readTree(text);
    } catch (IOException e) {
      return JSON.createObjectNode();
    }
  }

  private void close() throws IOException {
    if (present(storage, path).equals(mine)) {
      storage.delete(path);
    }
  }
}
