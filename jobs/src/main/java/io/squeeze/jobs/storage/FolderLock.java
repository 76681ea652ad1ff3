package io.squeeze.jobs.storage;

import com.fasterxml.jackson.databind.node.MissingNode;
import io.squeeze.config.Json;
import io.squeeze.config.SqueezeException;
import io.squeeze.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
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
   * Takes the lock of a folder. It is taken over if it is proven that its holder has ended, or if
   * the lock stays empty.
   *
   * @throws SqueezeException of category configuration if another run holds it
   */
  static FolderLock take(HadoopStorage storage, String folder) throws IOException {
    String path = Storage.join(folder, NAME);
    String mine = LockHolder.self().json();
    if (!storage.create(path, mine)) {
      String found = named(storage, path);
      // An empty lock is of a process that ended while it took the lock.
      if (!found.isBlank() && !holder(found, path).hasEnded()) {
        throw refused(storage, folder, path, found);
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
      throw refused(storage, folder, path, present(storage, path));
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

  private static SqueezeException refused(
      HadoopStorage storage, String folder, String path, String found) throws IOException {
    String free = storage.local(path).isPresent() ? "rm " : "hadoop fs -rm ";
    return SqueezeException.configuration(
        "Another run writes to %s (%s): wait for it; if it has ended, free the folder with: %s%s"
            .formatted(folder, found.strip(), free, path));
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
        throw refused(storage, folder, path, present(storage, path));
      }
      return; // it is free
    }
    String moved = storage.text(away);
    if (!moved.equals(found)) {
      storage.move(away, path);
      throw refused(storage, folder, path, moved);
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

  private static LockHolder holder(String text, String path) {
    try {
      return LockHolder.of(Json.tree(text, path));
    } catch (SqueezeException e) {
      return LockHolder.of(MissingNode.getInstance()); // nobody can tell
    }
  }

  private void close() throws IOException {
    if (present(storage, path).equals(mine)) {
      storage.delete(path);
    }
  }
}
