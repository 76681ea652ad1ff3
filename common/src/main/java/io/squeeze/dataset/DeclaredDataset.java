package io.squeeze.dataset;

import com.typesafe.config.ConfigException;
import io.squeeze.config.Hocon;
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
  private final String name;
  private final List<String> classes;
  private final List<Integer> palette;
  private final int[] labels;
  private final Colours colours;
  private final int reduce;
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
    colours = declared.colours(classes);
    reduce = declared.reduce();
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
      return new DeclaredDataset(new Declaration(Hocon.text(text), text, path));
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
  public Optional<Colours> colours() {
    return Optional.ofNullable(colours);
  }

  @Override
  public int reduce() {
    return reduce;
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
          .filter(line -> !line.isEmpty() && !line.startsWith("#"))
          .map(line -> sample(id(line), place));
    }
    // A folder has no order of its own.
    return place.listed(storage, root).sorted().map(file -> sample(place.id(file), file, place));
  }

  /** The id of a line: all of it, but for what a tab separates and for numbers at its end. */
  private static String id(String line) {
    return line.split("\t", 2)[0].replaceFirst("(\\s+-?[0-9]+)+$", "").strip();
  }

  private Sample sample(String id, Declaration.Place place) {
    return sample(id, place.image(id), place);
  }

  private Sample sample(String id, String image, Declaration.Place place) {
    if (id.startsWith("/") || Arrays.asList(id.split("/", -1)).contains("..")) {
      throw SqueezeException.input("Invalid id in a list of " + name + ": " + id);
    }
    String mask = place.masks().isEmpty() ? "" : place.masks().replace(Declaration.ID, id);
    return new Sample(id, image, mask, List.of());
  }

  @Override
  public Stream<String> images(Storage storage, String root) throws IOException {
    List<String> seen = new ArrayList<>();
    Stream<String> all = Stream.empty();
    for (Declaration.Place place : places.values()) {
      boolean plain = place.images().indexOf(Declaration.ID) > place.images().lastIndexOf('/');
      if (plain && !seen.contains(place.folder())) {
        seen.add(place.folder());
        all = Stream.concat(all, place.photos(storage, root));
      }
    }
    return all;
  }
}
