package io.squeeze.dataset;

import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.SqueezeException;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * A data set that a HOCON file declares: photos and masks in folders, matched by name, or the rows
 * of a table. See data/README.md.
 */
public final class DeclaredDataset implements SegmentationDataset {
  private static final long serialVersionUID = 1L;
  private static final String ID = Declaration.ID;
  private final String name;
  private final List<String> classes;
  private final List<Integer> palette;
  private final int[] labels;
  private final Map<String, Declaration.Place> places;
  private final boolean masksRequired;
  private final Table table;
  private final List<Column> columns;
  private final String version;

  private DeclaredDataset(Declaration declared) {
    name = declared.name();
    classes = declared.texts("classes");
    if (classes.isEmpty() || classes.size() > 255) {
      throw declared.invalid("classes needs 1 to 255 names");
    }
    if (new TreeSet<>(classes).size() < classes.size()) {
      throw declared.invalid("classes names one twice");
    }
    palette = declared.palette(classes.size());
    labels = declared.labels(classes);
    masksRequired = declared.flag("masks-required", true);
    table = declared.table();
    columns = declared.columns();
    places = table == null ? declared.places() : declared.tableSplits();
    version = declared.canonical();
  }

  /**
   * Reads a declaration.
   *
   * @param text HOCON
   * @param path for messages, and the name where none is declared
   * @throws SqueezeException of category configuration if something is missing or unknown
   */
  static DeclaredDataset parse(String text, String path) {
    try {
      return new DeclaredDataset(
          new Declaration(ConfigFactory.parseString(text).resolve(), text, path));
    } catch (ConfigException e) {
      throw Declaration.invalid(path, e.getMessage());
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public List<String> classes() {
    return classes;
  }

  @Override
  public List<Integer> palette() {
    return palette;
  }

  @Override
  public List<String> splits() {
    return List.copyOf(places.keySet());
  }

  @Override
  public List<Column> columns() {
    return columns;
  }

  @Override
  public int[] labels() {
    return labels.clone();
  }

  @Override
  public String version() {
    return version;
  }

  @Override
  public Optional<Table> table() {
    return Optional.ofNullable(table);
  }

  @Override
  public boolean masksRequired() {
    return masksRequired;
  }

  @Override
  public String root(Storage storage, String path) throws IOException {
    for (Declaration.Place place : places.values()) {
      if (!place.list().isEmpty() && !storage.exists(Storage.join(path, place.list()))) {
        throw SqueezeException.input(
            "No " + place.list() + " in " + path + ", which " + name + " lists: set --data_path");
      }
    }
    return path;
  }

  @Override
  public Stream<Sample> samples(Storage storage, String root, String split) throws IOException {
    Declaration.Place place = places.get(split);
    if (!place.list().isEmpty()) {
      return storage
          .lines(Storage.join(root, place.list()))
          .map(String::strip)
          .filter(line -> !line.startsWith("#"))
          .map(line -> sample(line.split("\\s+", 2)[0], place));
    }
    // A folder has no order of its own.
    return ids(storage, root, place).sorted().map(id -> sample(id, place));
  }

  private Sample sample(String id, Declaration.Place place) {
    if (id.startsWith("/") || Arrays.asList(id.split("/", -1)).contains("..")) {
      throw SqueezeException.input("Invalid id in a list of " + name + ": " + id);
    }
    String mask = place.masks().isEmpty() ? "" : place.masks().replace(ID, id);
    return new Sample(id, place.images().replace(ID, id), mask, List.of());
  }

  /** The ids of the files in the folder of the images. */
  private static Stream<String> ids(Storage storage, String root, Declaration.Place place)
      throws IOException {
    int slash = place.images().lastIndexOf('/') + 1;
    String file = place.images().substring(slash);
    String before = file.substring(0, file.indexOf(ID));
    String after = file.substring(file.indexOf(ID) + ID.length());
    String folder = slash == 0 ? root : Storage.join(root, place.images().substring(0, slash - 1));
    return storage
        .list(folder)
        .map(Storage.Entry::name)
        .filter(f -> f.startsWith(before) && f.endsWith(after))
        .filter(f -> f.length() > before.length() + after.length())
        .map(f -> f.substring(before.length(), f.length() - after.length()));
  }

  @Override
  public Stream<String> images(Storage storage, String root) throws IOException {
    List<String> seen = new ArrayList<>();
    Stream<String> all = Stream.empty();
    for (Declaration.Place place : places.values()) {
      // Folders that are their own lists leave nothing out.
      boolean plain = place.images().indexOf(ID) > place.images().lastIndexOf('/');
      if (!place.list().isEmpty() && plain && !seen.contains(place.images())) {
        seen.add(place.images());
        all =
            Stream.concat(all, ids(storage, root, place).map(id -> place.images().replace(ID, id)));
      }
    }
    return all;
  }
}
