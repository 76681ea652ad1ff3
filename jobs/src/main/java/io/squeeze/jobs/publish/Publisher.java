package io.squeeze.jobs.publish;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.storage.FolderLock;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * Publishes the next version of a data set, whatever it holds. A job supplies the content. This
 * class defines the protocol:
 *
 * <ol>
 *   <li>If the current version holds what is asked for, the publisher does nothing. If the data set
 *       holds something else, it refuses.
 *   <li>It locks the data set, and checks again.
 *   <li>If an earlier process ended while it published, the publisher moves its files back.
 *   <li>The job writes to a {@link Place} beside the versions.
 *   <li>The publisher moves the place to the version's name, and writes the manifest last: readers
 *       recognize a version by it. Before, it writes a note that says what it moves, in case the
 *       process ends during this step.
 * </ol>
 */
public final class Publisher {
  /** Says what is being published: {@code v2 _v2.KEY TABLE...}, tables that stand beside. */
  private static final String NOTE = "_publishing";

  private final HadoopStorage storage;
  private final Reporter reporter;
  private final Versions versions;
  private final String table;
  private final String option;

  /**
   * Publishes versions below a path.
   *
   * @param table what they hold: {@link Manifest#CODES} or {@link Manifest#EMBEDDINGS}
   * @param option that names the path, for messages
   */
  public Publisher(
      HadoopStorage storage, Reporter reporter, String base, String table, String option)
      throws IOException {
    this.storage = storage;
    this.reporter = reporter;
    this.versions = new Versions(storage, base);
    this.table = table;
    this.option = option;
  }

  /** What a job writes. */
  public interface Content {
    /**
     * Writes the rows of the next version.
     *
     * @throws SqueezeException of any category, where there is nothing to publish
     */
    Draft write(Next next) throws IOException;
  }

  /**
   * What was written.
   *
   * @param manifest names every file that is to stay
   * @param beside tables that stand beside the version
   */
  public record Draft(Place place, Manifest manifest, List<String> beside) {}

  /**
   * The result of publishing.
   *
   * @param fresh whether the version was written now; otherwise it existed already
   * @param seconds that writing took
   */
  public record Publication(Published version, boolean fresh, double seconds) {}

  /** The version that is to be written. */
  public final class Next {
    private final Optional<Published> before;
    private final String name;
    private Place fresh;

    private Next(Optional<Published> before, String name) {
      this.before = before;
      this.name = name;
    }

    /** The version before; empty for none. */
    public Optional<Published> before() {
      return before;
    }

    /** Its name, such as v2. */
    public String name() {
      return name;
    }

    /**
     * A place that a job finds again after an interruption, so that it can continue there.
     *
     * @param key digest of everything that the rows depend on
     */
    public Place resumed(String key) {
      return new Place(storage, versions.base(), name, "_" + name + "." + key);
    }

    /** An empty place, which is deleted if the job fails. */
    public Place fresh() {
      fresh = resumed(UUID.randomUUID().toString().substring(0, 8));
      return fresh;
    }

    private void clear(Throwable cause) {
      if (fresh != null) {
        try {
          storage.delete(fresh.rows());
        } catch (IOException e) {
          cause.addSuppressed(e);
        }
      }
    }
  }

  /** The version that is published now; empty for none. */
  public Optional<Published> current() throws IOException {
    return versions.current();
  }

  /** The full path of the data set. */
  public String base() {
    return versions.base();
  }

  /**
   * Publishes a version, or finds that it is there.
   *
   * @param asked the settings that it follows from
   * @param growing keys of them whose other values make a next version
   * @throws SqueezeException of category configuration if something else is there, or another job
   *     writes to the data set
   */
  public Publication run(Map<String, String> asked, List<String> growing, Content content)
      throws IOException {
    Optional<Published> current = versions.current();
    if (isThere(current, asked, growing)) {
      return found(current.orElseThrow());
    }
    if (storage.exists(Storage.join(base(), Manifest.NAME))) {
      throw SqueezeException.configuration(
          String.format(
              "%s is a version, and something else is asked for: name the folder above it for a next"
                  + " version (%s)",
              base(), option));
    }
    return FolderLock.holding(storage, base(), () -> locked(asked, growing, content));
  }

  private Publication locked(Map<String, String> asked, List<String> growing, Content content)
      throws IOException {
    Optional<Published> current = versions.current();
    if (isThere(current, asked, growing)) {
      return found(current.orElseThrow());
    }
    recover();
    long began = System.nanoTime();
    Published version = publish(new Next(current, "v" + versions.next()), content);
    return new Publication(version, true, (System.nanoTime() - began) / 1e9);
  }

  private Publication found(Published current) {
    reporter.say("There already: " + current.path() + ", nothing to do");
    return new Publication(current, false, 0);
  }

  /** Whether the current version holds what is asked for; false where the next one is to. */
  private boolean isThere(
      Optional<Published> version, Map<String, String> asked, List<String> growing) {
    return version.isPresent() && isThere(version.get(), asked, growing);
  }

  private boolean isThere(Published current, Map<String, String> asked, List<String> growing) {
    String held = current.manifest().table();
    if (!held.equals(table)) {
      throw SqueezeException.configuration(
          String.format(
              "%s holds %s, not %s: name another folder (%s)",
              current.path(), held, table, option));
    }
    List<String> differences = current.manifest().differences(asked);
    if (!differences.stream().allMatch(line -> growing.contains(line.split(":", 2)[0]))) {
      throw SqueezeException.configuration(
          String.format(
              "Other %s lie in %s (%s): name another folder (%s)",
              table, current.path(), String.join("; ", differences), option));
    }
    return differences.isEmpty();
  }

  private Published publish(Next next, Content content) throws IOException {
    try {
      Draft draft = content.write(next);
      Place place = draft.place();
      storage.replace(note(), note(draft));
      for (String beside : draft.beside()) {
        String published = place.publishedBeside(beside);
        // Of a version that was never finished, or deleted by hand.
        storage.delete(published);
        storage.move(place.beside(beside), published);
      }
      place.keepOnly(place.rows(), draft.manifest().files());
      storage.move(place.rows(), place.version());
      storage.replace(Storage.join(place.version(), Manifest.NAME), draft.manifest().json());
      storage.delete(note());
      return new Published(place.version(), draft.manifest());
    } catch (IOException | RuntimeException | Error e) {
      next.clear(e);
      throw e;
    }
  }

  private String note() {
    return Storage.join(base(), NOTE);
  }

  private static String note(Draft draft) {
    List<String> words = new ArrayList<>(List.of(draft.place().name(), draft.place().growing()));
    words.addAll(draft.beside());
    return String.join(" ", words);
  }

  /** Moves files back, if a process moved them and ended before it wrote the manifest. */
  private void recover() throws IOException {
    if (!storage.exists(note())) {
      return;
    }
    String[] words = storage.text(note()).strip().split(" ", -1);
    if (words.length >= 2
        && !storage.exists(Storage.join(base(), words[0] + "/" + Manifest.NAME))) {
      Place place = new Place(storage, base(), words[0], words[1]);
      takeBack(place.version(), place.rows());
      // A note of version 0.1.0 names no tables: extraction moved its rejects.
      List<String> beside =
          words.length == 2 ? List.of("rejects") : Arrays.asList(words).subList(2, words.length);
      for (String name : beside) {
        takeBack(place.publishedBeside(name), place.beside(name));
      }
    }
    storage.delete(note());
  }

  private void takeBack(String moved, String growing) throws IOException {
    if (!storage.exists(moved)) {
      return;
    }
    if (!storage.exists(growing)) {
      storage.move(moved, growing);
      return;
    }
    // An object store moves file by file: what is still in its place is whole there.
    for (String file : storage.files(moved).keySet()) {
      String place = Storage.join(growing, file);
      if (!storage.exists(place)) {
        storage.move(Storage.join(moved, file), place);
      }
    }
    storage.delete(moved);
  }
}
