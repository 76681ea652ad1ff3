package io.squeeze.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** All settings of a run, checked; the one place where HOCON becomes values. */
public record Settings(
    String model,
    String weights,
    String embeddings,
    long seed,
    Integer classes,
    BackboneSettings backbone,
    ComputeSettings compute,
    DataSettings data,
    ImageSettings image,
    ExtractSettings extract,
    QuantizerSettings quantizer,
    TrainSettings train,
    OutputSettings output,
    VisualizeSettings visualize,
    TrackSettings track,
    String json,
    String given)
    implements Serializable {
  private static final String ROOT = "squeeze";
  private static final String RATE = "train.lr";
  private static final String UNSET = "unset";

  private static final Map<String, String> DESCRIPTION =
      new TreeMap<>(
          Map.of(
              "size", "image.size",
              "resize", "image.resize",
              "crop", "image.crop",
              "mean", "image.mean",
              "std", "image.std",
              "windows", "image.windows",
              "stride", "image.stride",
              "layout", "backbone.layout",
              "prefix_tokens", "backbone.prefix-tokens"));

  /**
   * The usual learning rate of the head stands in the settings of a run like one that was asked.
   */
  private static Config withRate(Config merged) {
    if (!merged.getIsNull(RATE)) {
      return merged;
    }
    boolean linear =
        merged.hasPath("train.head") && merged.getValue("train.head").unwrapped().equals("linear");
    return merged.withValue(RATE, ConfigValueFactory.fromAnyRef(linear ? 1e-3 : 1e-4));
  }

  private static final String PROJECTION_START = "quantizer.projection-start";
  private static final String CODEBOOK = "quantizer.codebook";

  /** Types that no setting of codebooks is for. */
  private static final Set<String> WITHOUT_CODEBOOKS = Set.of("none", "fsq", "lfq");

  /** The defaults alone. */
  public static Settings defaults() {
    return load(List.of());
  }

  /**
   * Reads the defaults and puts the overlays over them. A later overlay overrides an earlier one.
   *
   * @param overlays HOCON with or without the leading {@code squeeze.}
   * @throws SqueezeException of category configuration, naming every problem
   */
  public static Settings load(List<Config> overlays) {
    Config reference = reference();
    Problems problems = new Problems();
    Config given = ConfigFactory.empty();
    Config merged;
    try {
      for (Config overlay : overlays) {
        Config ours = withoutRoot(overlay);
        reportUnknownKeys(ours, reference, problems);
        given = ours.withFallback(given);
      }
      given = given.resolve();
      merged = withRate(given.withFallback(reference).resolve());
    } catch (ConfigException e) {
      throw SqueezeException.configuration("Cannot read the configuration: " + e.getMessage());
    }
    Section section = new Section(merged, "", problems);
    Integer classes = section.optionalIntIn("num-classes", 2, 255);
    Settings settings =
        new Settings(
            section.text("model"),
            section.optionalText("weights"),
            section.optionalText("embeddings"),
            section.longIn("seed", Long.MIN_VALUE, Long.MAX_VALUE),
            classes,
            BackboneSettings.from(section.at("backbone")),
            ComputeSettings.from(section.at("compute")),
            DataSettings.from(section.at("data")),
            ImageSettings.from(section.at("image"), problems),
            ExtractSettings.from(section.at("extract"), problems),
            QuantizerSettings.from(section.at("quantizer")),
            TrainSettings.from(section.at("train")),
            OutputSettings.from(section.at("output"), problems),
            VisualizeSettings.from(section.at("visualize")),
            TrackSettings.from(section.at("track"), problems),
            merged.root().render(ConfigRenderOptions.concise()),
            given.root().render(ConfigRenderOptions.concise()));
    problems.throwIfAny();
    return settings;
  }

  /**
   * The settings that {@link #json()} of an earlier run holds.
   *
   * @param what holds them, for messages
   */
  public static Settings parse(String json, String what) {
    Config stored = Json.config(json, what);
    // Before there was this setting, projections were drawn.
    boolean older = !stored.hasPathOrNull(PROJECTION_START);
    return load(
        List.of(
            older
                ? stored.withValue(PROJECTION_START, ConfigValueFactory.fromAnyRef("random"))
                : stored));
  }

  /** The same settings but for one. */
  public Settings with(String key, String value) {
    return with(ConfigFactory.parseMap(Map.of(key, value)));
  }

  /** The same settings but for a list. */
  public Settings with(String key, List<Integer> values) {
    return with(ConfigFactory.parseMap(Map.of(key, values)));
  }

  /** The same settings under others. */
  public Settings with(Config overlay) {
    return load(List.of(own(given), overlay));
  }

  /**
   * The same settings over those that a backbone's own description gives, in JSON: size, resize,
   * crop, mean, std, layout, prefix_tokens.
   *
   * @param name of the description, for messages
   * @throws SqueezeException of category configuration if it holds anything else
   */
  public Settings over(String description, String name) {
    try {
      Map<String, Object> values = new TreeMap<>();
      Json.config(description, name)
          .root()
          .forEach(
              (key, value) -> {
                String path = DESCRIPTION.get(key);
                if (path == null) {
                  throw SqueezeException.configuration(
                      name + " holds " + key + "; it may hold " + DESCRIPTION.keySet());
                }
                values.put(path, value.unwrapped());
              });
      return load(List.of(ConfigFactory.parseMap(values), own(given)));
    } catch (ConfigException e) {
      throw SqueezeException.configuration("Cannot read " + name + ": " + e.getMessage());
    }
  }

  /** The lines "key: is X, asked for Y" for every setting in which two JSONs differ. */
  public static List<String> differences(String is, String asked) {
    Config left = own(is);
    Config right = own(asked);
    Set<String> keys = leaves(left);
    keys.addAll(leaves(right));
    return keys.stream()
        .filter(key -> !same(left, right, key))
        .map(key -> key + ": is " + valueOf(left, key) + ", asked for " + valueOf(right, key))
        .toList();
  }

  /** Whether two values are one: a number may be written in several ways. */
  private static boolean same(Config left, Config right, String key) {
    String is = valueOf(left, key);
    String asked = valueOf(right, key);
    boolean numbers = number(left, key) || number(right, key);
    if (is.equals(asked) || !numbers) {
      return is.equals(asked);
    }
    try {
      return Double.parseDouble(is) == Double.parseDouble(asked);
    } catch (NumberFormatException e) {
      return false;
    }
  }

  private static boolean number(Config config, String key) {
    return config.hasPath(key) && config.getValue(key).unwrapped() instanceof Number;
  }

  private static String valueOf(Config config, String key) {
    return config.hasPathOrNull(key) && !config.getIsNull(key)
        ? String.valueOf(config.getValue(key).unwrapped())
        : UNSET;
  }

  /**
   * The settings that training depends on, besides its embeddings. These are {@link #json()}
   * without folders, without the settings of the extraction (the manifest of the embeddings has
   * those), and without the settings for output, pictures and tracking.
   */
  public String trainingJson() {
    Config config = own(json);
    for (String path :
        List.of(
            "model",
            "weights",
            "embeddings",
            "backbone",
            "compute",
            "image",
            "extract",
            "data.dataset",
            "data.path",
            "data.on-bad-sample",
            "data.max-bad-fraction",
            "train.resume",
            "train.keep-checkpoints",
            "output",
            "visualize",
            "track")) {
      config = config.withoutPath(path);
    }
    if (WITHOUT_CODEBOOKS.contains(quantizer.type())) {
      config = config.withoutPath(CODEBOOK).withoutPath(PROJECTION_START);
    }
    return config.root().render(ConfigRenderOptions.concise());
  }

  /** Whether a key was set, and is not merely the default. */
  public boolean isGiven(String key) {
    return own(given).hasPath(key);
  }

  /** Every setting by key, as text; what is unset is left out. */
  public Map<String, String> flat() {
    Config config = own(json);
    Map<String, String> values = new TreeMap<>();
    leaves(config)
        .forEach(
            key -> {
              String value = valueOf(config, key);
              if (!value.equals(UNSET)) {
                values.put(key, value);
              }
            });
    return values;
  }

  /** The default of a key such as {@code train.lr}, as text; "unset" for null. */
  public static String defaultOf(String key) {
    return valueOf(reference(), key);
  }

  /** The name of the model for paths: vit, or a file's name without its ending. */
  public String modelName() {
    return model
        .substring(model.lastIndexOf('/') + 1)
        .replaceAll("\\.(pt|pth|ts|jit|torchscript)$", "");
  }

  /** Where the embeddings lie: as set, or derived from the output folder, data set and model. */
  public String embeddingsPath() {
    return embeddings != null
        ? embeddings
        : output.dir() + "/embeddings/" + datasetName() + "_" + modelName();
  }

  /** The data set's name for paths: that of its declaration, without folder and ending. */
  private String datasetName() {
    return data.dataset().replaceAll(".*/", "").replaceAll("\\.(conf|json)$", "");
  }

  /** JSON that settings rendered. */
  private static Config own(String json) {
    return Json.config(json, "settings");
  }

  private static Config reference() {
    return Reference.CONFIG;
  }

  /** Read once: every task asks for a default. */
  private static final class Reference {
    static final Config CONFIG =
        ConfigFactory.parseResources(Settings.class.getClassLoader(), "reference.conf")
            .getConfig(ROOT);
  }

  private static Config withoutRoot(Config overlay) {
    if (!overlay.hasPath(ROOT)) {
      return overlay;
    }
    return overlay.withoutPath(ROOT).withFallback(overlay.getConfig(ROOT));
  }

  private static void reportUnknownKeys(Config overlay, Config reference, Problems problems) {
    Set<String> known = leaves(reference);
    for (String key : leaves(overlay)) {
      if (!known.contains(key)) {
        String nearest =
            known.stream().min(Comparator.comparingInt(k -> distance(key, k))).orElseThrow();
        boolean near = distance(key, nearest) <= Math.max(3, key.length() / 3);
        problems.add(key + ": unknown key" + (near ? ", did you mean " + nearest + "?" : ""));
      }
    }
  }

  /** Paths of all leaves, also those that are null, without quotes. */
  private static Set<String> leaves(Config config) {
    Set<String> paths = new TreeSet<>();
    collect(config.root(), new ArrayList<>(), paths);
    return paths;
  }

  private static void collect(Map<String, ConfigValue> node, List<String> path, Set<String> into) {
    node.forEach(
        (name, value) -> {
          path.add(name);
          if (value instanceof com.typesafe.config.ConfigObject object) {
            collect(object, path, into);
          } else {
            into.add(ConfigUtil.joinPath(path));
          }
          path.remove(path.size() - 1);
        });
  }

  /** Levenshtein distance. */
  private static int distance(String a, String b) {
    int[] previous = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      previous[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int[] row = new int[b.length() + 1];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int change = previous[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        row[j] = Math.min(change, Math.min(previous[j], row[j - 1]) + 1);
      }
      previous = row;
    }
    return previous[b.length()];
  }
}
