package io.squeeze.jobs.gc;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.storage.FolderLock;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Removes what a data set no longer needs: old versions, and the leftovers of killed jobs. It never
 * removes the current version.
 */
public final class GcJob {
  /** Folders beside the versions that hold a folder for each: rejects, and pictures of masks. */
  private static final List<String> BESIDE = List.of("rejects", "png");

  private static final String METRICS = "metrics";
  private static final String UNFINISHED = "unfinished";
  private static final String NOT_KEPT = "of a version that is not kept";

  private final HadoopStorage storage;
  private final Reporter reporter;
  private final Versions versions;
  private final String base;
  private final int keep;
  private final boolean delete;

  /**
   * A job for the versions below a path.
   *
   * @param keep published versions that stay, the newest
   * @param delete whether it deletes, or only says what it would
   */
  public GcJob(HadoopStorage storage, Reporter reporter, String path, int keep, boolean delete)
      throws IOException {
    this.storage = storage;
    this.reporter = reporter;
    this.versions = new Versions(storage, path);
    this.base = versions.base();
    this.keep = keep;
    this.delete = delete;
  }

  /**
   * What goes.
   *
   * @param why it is not needed
   */
  public record Removed(String path, String why, long bytes) {}

  /**
   * Finds what is not needed, and deletes it where that was asked.
   *
   * @throws SqueezeException of category input if the path is no data set, of category
   *     configuration if a job writes to it
   */
  public List<Removed> run() throws IOException {
    if (Versions.isVersion(base.substring(base.lastIndexOf('/') + 1))
        && storage.exists(Storage.join(base, Manifest.NAME))) {
      throw SqueezeException.usage(base + " is a version: name the data set above it");
    }
    if (storage.folders(base).noneMatch(name -> Versions.isVersion(name) || unfinished(name))) {
      throw SqueezeException.input("No versions in " + base + " (--path)");
    }
    return FolderLock.holding(storage, base, this::removed);
  }

  private List<Removed> removed() throws IOException {
    List<Removed> removed = found();
    for (Removed one : removed) {
      reporter.result(
          String.format(
              Locale.ROOT,
              "%s  %s  (%s, %,d bytes)",
              delete ? "deleted" : "would delete",
              one.path(),
              one.why(),
              one.bytes()));
      if (delete) {
        storage.delete(one.path());
      }
    }
    long bytes = removed.stream().mapToLong(Removed::bytes).sum();
    reporter.result(
        String.format(
            Locale.ROOT,
            "%d things, %,d bytes%s",
            removed.size(),
            bytes,
            delete || removed.isEmpty() ? "" : ": --delete removes them"));
    return removed;
  }

  private List<Removed> found() throws IOException {
    List<Removed> removed = new ArrayList<>();
    List<String> names = storage.folders(base).toList();
    List<String> published = new ArrayList<>();
    for (String name : names) {
      if (!Versions.isVersion(name)) {
        continue;
      }
      if (storage.exists(Storage.join(base, name + "/" + Manifest.NAME))) {
        published.add(name);
      } else {
        add(removed, name, "without a manifest");
      }
    }
    published.sort(Comparator.comparingInt((String name) -> number(name)).reversed());
    Set<String> kept = new LinkedHashSet<>(published.subList(0, Math.min(keep, published.size())));
    for (String old : published.subList(kept.size(), published.size())) {
      add(removed, old, "older than the newest " + keep);
    }
    for (String name : names) {
      if (unfinished(name)) {
        add(removed, name, UNFINISHED);
      }
    }
    beside(removed, kept);
    try (Stream<Storage.Entry> files = storage.list(base)) {
      files
          .filter(file -> file.name().startsWith("_") && !file.name().equals(FolderLock.NAME))
          .forEach(file -> removed.add(new Removed(file.path(), UNFINISHED, file.length())));
    }
    return removed;
  }

  /** Rejects, pictures and metrics of versions that go or are gone. */
  private void beside(List<Removed> removed, Set<String> kept) throws IOException {
    for (String table : BESIDE) {
      for (String name : storage.folders(Storage.join(base, table)).toList()) {
        if (unfinished(name) || (Versions.isVersion(name) && !kept.contains(name))) {
          add(removed, table + "/" + name, NOT_KEPT);
        }
      }
    }
    for (Map.Entry<String, Long> file : storage.files(Storage.join(base, METRICS)).entrySet()) {
      String name = file.getKey().replaceFirst("\\.json$", "");
      boolean part = name.startsWith("_");
      if (part || (Versions.isVersion(name) && !kept.contains(name))) {
        String path = Storage.join(base, METRICS + "/" + file.getKey());
        removed.add(new Removed(path, part ? UNFINISHED : NOT_KEPT, file.getValue()));
      }
    }
  }

  /** A folder with all that it holds. */
  private void add(List<Removed> removed, String name, String why) throws IOException {
    String path = Storage.join(base, name);
    long bytes = storage.files(path).values().stream().mapToLong(Long::longValue).sum();
    removed.add(new Removed(path, why, bytes));
  }

  /** What jobs write to before it is published: {@code _v2.KEY}. */
  private static boolean unfinished(String name) {
    return name.matches("_v[1-9][0-9]*\\..+");
  }

  private static int number(String name) {
    return Integer.parseInt(name.substring(1));
  }
}
