package io.squeeze.dataset;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import io.squeeze.config.SqueezeException;
import io.squeeze.storage.Storage;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A data set that a HOCON file declares: photos and masks in folders, matched by name, or the rows
 * of a table. See data/README.md.
 */
public final class DeclaredDataset implements SegmentationDataset {
  private static final long serialVersionUID = 1L;
  private static final int IGNORED = 255;
  private static final String ID = "{id}";
  private static final Set<String> KEYS =
      Set.of(
          "name",
          "classes",
          "palette",
          "labels",
          "first-label",
          "unknown-labels",
          "images",
          "masks",
          "masks-required",
          "splits",
          "table");

  private final String name;
  private final List<String> classes;
  private final List<Integer> palette;
  private final int[] labels;
  private final Map<String, Place> places;
  private final boolean masksRequired;
  private final Table table;
  private final List<Column> columns;
  private final String version;

  /**
   * Where a split's files lie.
   *
   * @param images a path with {id}
   * @param masks a path with {id}; empty for none
   * @param list a file with an id a line; empty: the folder of the images is the list
   */
  private record Place(String images, String masks, String list) implements java.io.Serializable {}

  private DeclaredDataset(Reader reader) {
    name = reader.name();
    classes = reader.texts("classes");
    if (classes.isEmpty() || classes.size() > IGNORED) {
      throw reader.invalid("classes needs 1 to 255 names");
    }
    if (new TreeSet<>(classes).size() < classes.size()) {
      throw reader.invalid("classes names one twice");
    }
    palette = reader.palette(classes.size());
    labels = reader.labels(classes);
    masksRequired = reader.flag("masks-required", true);
    table = reader.table();
    columns = reader.columns();
    places = table == null ? reader.places() : reader.tableSplits();
    version = reader.canonical();
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
      return new DeclaredDataset(new Reader(ConfigFactory.parseString(text).resolve(), text, path));
    } catch (ConfigException e) {
      throw Reader.invalid(path, e.getMessage());
    }
  }

  /** Reads the keys of a declaration. */
  private record Reader(Config config, String text, String path) {

    Reader {
      for (String key : config.root().keySet()) {
        if (!KEYS.contains(key)) {
          throw invalid(path, key + ": unknown key, there are " + new TreeSet<>(KEYS));
        }
      }
    }

    static SqueezeException invalid(String path, String problem) {
      return SqueezeException.configuration(
          "Invalid data set " + path + " (--dataset): " + problem);
    }

    SqueezeException invalid(String problem) {
      return invalid(path, problem);
    }

    String name() {
      String file = path.substring(path.lastIndexOf('/') + 1).replaceAll("\\.[a-z]+$", "");
      return config.hasPath("name") ? config.getString("name") : file;
    }

    boolean flag(String key, boolean otherwise) {
      return config.hasPath(key) ? config.getBoolean(key) : otherwise;
    }

    String text(Config from, String key, String otherwise) {
      return from.hasPath(key) ? from.getString(key) : otherwise;
    }

    List<String> texts(String key) {
      return config.hasPath(key) ? List.copyOf(config.getStringList(key)) : List.of();
    }

    /** The declared colours, or those that VOC's palette gives. */
    List<Integer> palette(int count) {
      List<Integer> colours = new ArrayList<>();
      for (String text : texts("palette")) {
        if (!text.matches("(#|0x)?[0-9A-Fa-f]{6}")) {
          throw invalid("palette: " + text + " is no colour such as #E4572E");
        }
        colours.add(Integer.parseInt(text.replaceAll("#|0x", ""), 16));
      }
      if (!colours.isEmpty() && colours.size() != count) {
        throw invalid("palette has " + colours.size() + " colours for " + count + " classes");
      }
      for (int k = 0; colours.size() < count; k++) {
        colours.add(vocColour(k));
      }
      return colours;
    }

    /** VOC's colour of a class: the class's bits, spread over the channels. */
    private static int vocColour(int label) {
      int rgb = 0;
      for (int bit = 0, left = label; left > 0; bit++, left >>= 3) {
        rgb |=
            (left & 1) << (23 - bit) | (left >> 1 & 1) << (15 - bit) | (left >> 2 & 1) << (7 - bit);
      }
      return rgb;
    }

    /** first-label + k is class k, unless {@code labels} says otherwise. */
    int[] labels(List<String> classes) {
      int[] labels = new int[256];
      String unknown = text(config, "unknown-labels", "refuse");
      if (!unknown.equals("refuse") && !unknown.equals("ignore")) {
        throw invalid("unknown-labels: " + unknown + " is neither refuse nor ignore");
      }
      Arrays.fill(labels, unknown.equals("refuse") ? -1 : IGNORED);
      labels[IGNORED] = IGNORED;
      int first = config.hasPath("first-label") ? config.getInt("first-label") : 0;
      for (int k = 0; k < classes.size(); k++) {
        if (first + k >= 0 && first + k < 256) {
          labels[first + k] = k;
        }
      }
      if (config.hasPath("labels")) {
        config
            .getObject("labels")
            .forEach((value, meaning) -> labels[value(value)] = meaning(meaning, classes));
      }
      return labels;
    }

    private int value(String key) {
      try {
        int value = Integer.parseInt(key);
        if (value >= 0 && value < 256) {
          return value;
        }
      } catch (NumberFormatException e) {
        // Said below, as for a number out of range.
      }
      throw invalid("labels: " + key + " is no value of a mask, which are 0 to 255");
    }

    private int meaning(ConfigValue value, List<String> classes) {
      String text = String.valueOf(value.unwrapped());
      if (text.equals("ignore")) {
        return IGNORED;
      }
      int label = classes.indexOf(text);
      if (label < 0) {
        throw invalid("labels: " + text + " is neither a class nor ignore");
      }
      return label;
    }

    Table table() {
      if (!config.hasPath("table")) {
        return null;
      }
      Config own = config.getConfig("table");
      return new Table(
          own.getString("path"),
          own.getString("id"),
          own.getString("image"),
          text(own, "mask", null),
          text(own, "split", null));
    }

    List<Column> columns() {
      if (!config.hasPath("table.columns")) {
        return List.of();
      }
      List<String> taken =
          List.of(
              "sample_id",
              "split",
              "image_path",
              "image",
              "mask",
              "embedding",
              "height",
              "width",
              "channels",
              "grid_height",
              "grid_width",
              "dtype",
              "levels",
              "codes");
      for (String column : config.getStringList("table.columns")) {
        if (taken.contains(column)) {
          throw invalid(
              "table.columns: " + column + " is a column of ours, rename it in the table");
        }
      }
      return config.getStringList("table.columns").stream()
          .map(column -> new Column(column, Column.Type.STRING))
          .toList();
    }

    /** A table's splits are values of its column, the one to train on first. */
    Map<String, Place> tableSplits() {
      Map<String, Place> splits = new LinkedHashMap<>();
      List<String> names = config.hasPath("splits") ? texts("splits") : List.of("all");
      names.forEach(split -> splits.put(checked(split), new Place("", "", "")));
      if (splits.size() > 1 && table().split() == null) {
        throw invalid("several splits need table.split, the column that tells them apart");
      }
      return splits;
    }

    /** In the order of the file: the first one is trained on. */
    Map<String, Place> places() {
      String images = text(config, "images", "");
      String masks = text(config, "masks", "");
      ConfigObject splits = config.getObject("splits");
      List<Map.Entry<String, ConfigValue>> entries = new ArrayList<>(splits.entrySet());
      entries.sort(Comparator.comparingInt(this::position));
      Map<String, Place> places = new LinkedHashMap<>();
      for (Map.Entry<String, ConfigValue> entry : entries) {
        boolean list = entry.getValue().valueType() == ConfigValueType.STRING;
        Config own =
            list ? ConfigFactory.empty() : splits.toConfig().getConfig(quoted(entry.getKey()));
        Place place =
            new Place(
                text(own, "images", images),
                text(own, "masks", masks),
                list ? entry.getValue().unwrapped().toString() : text(own, "list", ""));
        if (!place.images().contains(ID)
            || (!place.masks().isEmpty() && !place.masks().contains(ID))) {
          throw invalid("images and masks are paths with {id}, such as \"photos/{id}.jpg\"");
        }
        String file = place.images().substring(place.images().lastIndexOf('/') + 1);
        if (place.list().isEmpty()
            && place.images().indexOf(ID) < place.images().length() - file.length()) {
          throw invalid("images is " + place.images() + ": a folder lists files, so give a list");
        }
        places.put(checked(entry.getKey()), place);
      }
      if (places.isEmpty()) {
        throw invalid("splits names none");
      }
      return places;
    }

    /** Where the text names a split: HOCON's objects have no order. */
    private int position(Map.Entry<String, ConfigValue> split) {
      int at = 0;
      for (int line = 1; line < split.getValue().origin().lineNumber(); line++) {
        at = text.indexOf('\n', at) + 1;
      }
      Pattern key = Pattern.compile("[\\s,{\"]" + Pattern.quote(split.getKey()) + "\"?\\s*[=:{]");
      Matcher name = key.matcher(text);
      return name.find(Math.max(0, at - 1)) ? name.start() : at;
    }

    private static String quoted(String key) {
      return ConfigUtil.quoteString(key);
    }

    private String checked(String split) {
      if (!split.matches("[A-Za-z0-9][A-Za-z0-9._-]*")) {
        throw invalid("the split " + split + " becomes a folder: letters, digits, . _ - will do");
      }
      return split;
    }

    String canonical() {
      return config.root().render(ConfigRenderOptions.concise());
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
    for (Place place : places.values()) {
      if (!place.list().isEmpty() && !storage.exists(Storage.join(path, place.list()))) {
        throw SqueezeException.input(
            "No " + place.list() + " in " + path + ", which " + name + " lists: set --data_path");
      }
    }
    return path;
  }

  @Override
  public Stream<Sample> samples(Storage storage, String root, String split) throws IOException {
    Place place = places.get(split);
    if (!place.list().isEmpty()) {
      BufferedReader lines =
          new BufferedReader(
              new InputStreamReader(
                  storage.open(Storage.join(root, place.list())), StandardCharsets.UTF_8));
      return lines
          .lines()
          .map(String::strip)
          .filter(line -> !line.isEmpty() && !line.startsWith("#"))
          .map(line -> sample(line.split("\\s+", 2)[0], place))
          .onClose(() -> close(lines));
    }
    // A folder has no order of its own.
    return ids(storage, root, place).sorted().map(id -> sample(id, place));
  }

  private Sample sample(String id, Place place) {
    if (id.startsWith("/") || Arrays.asList(id.split("/", -1)).contains("..")) {
      throw SqueezeException.input("Invalid id in a list of " + name + ": " + id);
    }
    String mask = place.masks().isEmpty() ? "" : place.masks().replace(ID, id);
    return new Sample(id, place.images().replace(ID, id), mask, List.of());
  }

  /** The ids of the files in the folder of the images. */
  private static Stream<String> ids(Storage storage, String root, Place place) throws IOException {
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
    for (Place place : places.values()) {
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

  private static void close(BufferedReader reader) {
    try {
      reader.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
