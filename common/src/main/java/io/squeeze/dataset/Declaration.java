package io.squeeze.dataset;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.dataset.SegmentationDataset.Table;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The keys of a data set's declaration: see data/README.md. */
record Declaration(Config config, String text, String path) {
  private static final int IGNORED = 255;
  static final String ID = "{id}";

  /** Behind the id: any ending of a photo. */
  static final String ANY = ".*";

  private static final Set<String> KEYS =
      Set.of(
          "name",
          "classes",
          "palette",
          "colours",
          "reduce",
          "labels",
          "first-label",
          "unknown-labels",
          "images",
          "masks",
          "masks-required",
          "splits",
          "table");

  /**
   * Where a split's files lie.
   *
   * @param images a path with {id}
   * @param masks a path with {id}; empty for none
   * @param list a file with one id per line; empty: the files in the folder of the images are the
   *     list
   */
  record Place(String images, String masks, String list) implements Serializable {
    private static final Pattern PHOTO = Pattern.compile("(?i).+\\.(jpe?g|png|gif|bmp|webp|tiff?)");

    /** The path of a photo, where its ending is given. */
    String image(String id) {
      return images.replace(ID, id);
    }

    /** The folder of the images, relative to the root; empty for the root. */
    String folder() {
      int slash = images.lastIndexOf('/');
      return slash < 0 ? "" : images.substring(0, slash);
    }

    /** The names of all files in that folder that end as photos do, as paths from the root. */
    Stream<String> photos(Storage storage, String root) throws IOException {
      return files(storage, root).filter(Place::isPhoto);
    }

    /** Whether a file's name ends as photos do. */
    static boolean isPhoto(String path) {
      return PHOTO.matcher(path).matches();
    }

    /** Those of them that {@code images} describes: the folder is the list. */
    Stream<String> listed(Storage storage, String root) throws IOException {
      Stream<String> all = anyEnding() ? photos(storage, root) : files(storage, root);
      return all.filter(path -> path.startsWith(before()) && path.endsWith(after()))
          .filter(path -> path.length() > before().length() + after().length());
    }

    /** The id of a listed file. */
    String id(String path) {
      int end = anyEnding() ? path.lastIndexOf('.') : path.length() - after().length();
      return path.substring(before().length(), end);
    }

    /** Whether photos may have any ending: {@code photos/{id}.*}. */
    boolean anyEnding() {
      return images.endsWith(ID + ANY);
    }

    private String before() {
      return images.substring(0, images.indexOf(ID));
    }

    private String after() {
      return anyEnding() ? "" : images.substring(images.indexOf(ID) + ID.length());
    }

    private Stream<String> files(Storage storage, String root) throws IOException {
      String below = folder().isEmpty() ? "" : folder() + "/";
      String path = folder().isEmpty() ? root : Storage.join(root, folder());
      return storage.list(path).map(entry -> below + entry.name());
    }
  }

  Declaration {
    for (String key : config.root().keySet()) {
      if (!KEYS.contains(key)) {
        throw invalid(path, key + ": unknown key, there are " + new TreeSet<>(KEYS));
      }
    }
  }

  static SqueezeException invalid(String path, String problem) {
    return SqueezeException.configuration("Invalid data set " + path + " (--dataset): " + problem);
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
      colours.add(colour("palette", text));
    }
    if (!colours.isEmpty() && colours.size() != count) {
      throw invalid("palette has " + colours.size() + " colours for " + count + " classes");
    }
    for (int k = 0; colours.size() < count; k++) {
      colours.add(vocColour(k));
    }
    return colours;
  }

  private int colour(String key, String text) {
    if (!text.matches("(#|0x)?[0-9A-Fa-f]{6}")) {
      throw invalid(key + ": " + text + " is no colour such as #E4572E");
    }
    return Integer.parseInt(text.replaceAll("#|0x", ""), 16);
  }

  /** What the colours of masks mean; null where their values are numbers. */
  Colours colours(List<String> classes) {
    if (!config.hasPath("colours")) {
      return null;
    }
    for (String other : List.of("labels", "first-label", "reduce")) {
      if (config.hasPath(other)) {
        throw invalid(
            "colours and " + other + " exclude each other: masks hold colours or numbers");
      }
    }
    Map<Integer, Integer> labels = new HashMap<>();
    config
        .getObject("colours")
        .forEach(
            (text, meaning) ->
                labels.put(colour("colours", text), meaning("colours", meaning, classes)));
    return new Colours(labels, unknown());
  }

  /** The label of values that nothing names; -1: there must be none. */
  private int unknown() {
    String unknown = text(config, "unknown-labels", "refuse");
    if (!unknown.equals("refuse") && !unknown.equals("ignore")) {
      throw invalid("unknown-labels: " + unknown + " is neither refuse nor ignore");
    }
    return unknown.equals("refuse") ? -1 : IGNORED;
  }

  /** The divisor of large values; 0 for none. */
  int reduce() {
    int reduce = config.hasPath("reduce") ? config.getInt("reduce") : 0;
    if (reduce < 0 || reduce == 1 || reduce > 65535) {
      throw invalid(
          "reduce: " + reduce + " is none of 2 to 65535, which large values are divided by");
    }
    return reduce;
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
    Arrays.fill(labels, unknown());
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
          .forEach((value, meaning) -> labels[value(value)] = meaning("labels", meaning, classes));
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

  private int meaning(String key, ConfigValue value, List<String> classes) {
    String text = String.valueOf(value.unwrapped());
    if (text.equals("ignore")) {
      return IGNORED;
    }
    int label = classes.indexOf(text);
    if (label < 0) {
      throw invalid(key + ": " + text + " is neither a class nor ignore");
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
            "codes",
            "pooled",
            "mask_height",
            "mask_width",
            "confidence",
            "outside_share");
    for (String column : config.getStringList("table.columns")) {
      if (taken.contains(column.toLowerCase(Locale.ROOT))
          || column.toLowerCase(Locale.ROOT).startsWith("share_")) {
        throw invalid(
            "table.columns: " + column + " is a name of our own tables, rename the column");
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
          list
              ? ConfigFactory.empty()
              : splits.toConfig().getConfig(ConfigUtil.quoteString(entry.getKey()));
      Place place =
          new Place(
              text(own, "images", images),
              text(own, "masks", masks),
              list ? entry.getValue().unwrapped().toString() : text(own, "list", ""));
      if (!place.images().contains(ID)
          || (!place.masks().isEmpty() && !place.masks().contains(ID))) {
        throw invalid("images and masks are paths with {id}, such as \"photos/{id}.jpg\"");
      }
      if (place.anyEnding() && !place.list().isEmpty()) {
        throw invalid(
            "images is %s: with a list its ending must be given; without one the folder is the list"
                .formatted(place.images()));
      }
      String file = place.images().substring(place.images().lastIndexOf('/') + 1);
      if (place.list().isEmpty()
          && place.images().indexOf(ID) < place.images().length() - file.length()) {
        throw invalid("images is " + place.images() + ", with {id} in a folder's name: set list");
      }
      places.put(checked(entry.getKey()), place);
    }
    if (places.isEmpty()) {
      throw invalid("splits declares no split");
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

  private String checked(String split) {
    if (!split.matches("[A-Za-z0-9][A-Za-z0-9._-]*")) {
      throw invalid("the split " + split + " names a folder: use only letters, digits, . _ -");
    }
    return split;
  }

  String canonical() {
    return config.root().render(ConfigRenderOptions.concise());
  }
}
