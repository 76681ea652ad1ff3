package io.squeeze.jobs.grid;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import io.squeeze.config.Hocon;
import io.squeeze.config.Seeds;
import io.squeeze.config.SqueezeException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * The runs that a grid file asks for. They are the products of its lists, without those that {@code
 * exclude} names. If {@code sample} is set, that many of them are drawn at random. The order
 * depends on the file alone.
 *
 * @param base settings of every run
 * @param runs what each changes
 */
record GridPlan(Config base, List<Run> runs) {
  private static final String GRID = "grid";
  private static final String BASE = "base";
  private static final String EXCLUDE = "exclude";
  private static final String SAMPLE = "sample";
  private static final String SAMPLE_SEED = "sample-seed";
  private static final Set<String> KEYS = Set.of(GRID, BASE, EXCLUDE, SAMPLE, SAMPLE_SEED);

  /** The key that runs of one configuration may differ in. */
  static final String SEED = "seed";

  private static final String TYPE = "quantizer.type";

  /**
   * A run.
   *
   * @param values by setting: the quantizer's type first, the seed last
   */
  record Run(Map<String, ConfigValue> values) {

    /** A folder's name: the values, each behind the last part of its key. */
    String name() {
      String all = name(values);
      return all.isEmpty() ? "run" : all;
    }

    /**
     * The name of the configuration: the same without the seed. Runs with the same configuration
     * are averaged.
     */
    String configuration() {
      String all = name(shared());
      return all.isEmpty() ? "run" : all;
    }

    /** The values without the seed. */
    Map<String, ConfigValue> shared() {
      Map<String, ConfigValue> shared = new LinkedHashMap<>(values);
      shared.remove(SEED);
      return shared;
    }

    private static String name(Map<String, ConfigValue> values) {
      List<String> parts = new ArrayList<>();
      values.forEach(
          (key, value) -> {
            String text = text(value).replaceAll("[^A-Za-z0-9.,+-]+", "-").replaceAll("^-|-$", "");
            parts.add(key.equals(TYPE) ? text : key.replaceAll(".*\\.", "") + "-" + text);
          });
      return String.join("_", parts);
    }

    Config config() {
      Config config = ConfigFactory.empty();
      for (Map.Entry<String, ConfigValue> entry : values.entrySet()) {
        config = config.withValue(entry.getKey(), entry.getValue());
      }
      return config;
    }
  }

  /** A value as a person writes it. */
  static String text(ConfigValue value) {
    Object plain = value.unwrapped();
    return plain instanceof List<?> list
        ? list.toString().replaceAll("[\\[\\] ]", "")
        : String.valueOf(plain);
  }

  /**
   * Reads a file.
   *
   * @throws SqueezeException of category configuration if it is no grid, or of no runs
   */
  static GridPlan parse(String text, String path) {
    try {
      Config file = Hocon.text(text);
      for (String key : file.root().keySet()) {
        if (!KEYS.contains(key)) {
          throw invalid(path, key + ": unknown key, there are " + String.join(", ", sorted(KEYS)));
        }
      }
      if (!file.hasPath(GRID)) {
        throw invalid(path, "it has no grid { … }");
      }
      List<Run> runs = excluded(products(file.getValue(GRID), path), file, path);
      if (file.hasPath(SAMPLE)) {
        long seed = file.hasPath(SAMPLE_SEED) ? file.getLong(SAMPLE_SEED) : 42;
        int count = file.getInt(SAMPLE);
        if (count < 1) {
          throw invalid(path, "sample is " + count + ", not 1 or more");
        }
        runs = drawn(runs, count, seed);
      }
      if (runs.isEmpty()) {
        throw invalid(path, "no run is left");
      }
      Config base = file.hasPath(BASE) ? file.getConfig(BASE) : ConfigFactory.empty();
      return new GridPlan(base, distinct(runs, path));
    } catch (ConfigException e) {
      throw invalid(path, e.getMessage());
    }
  }

  private static List<String> sorted(Set<String> keys) {
    return keys.stream().sorted().toList();
  }

  private static SqueezeException invalid(String path, String problem) {
    return SqueezeException.configuration("Invalid grid " + path + " (--grid): " + problem);
  }

  /** One block of lists, or several whose runs come one after the other. */
  private static List<Run> products(ConfigValue grid, String path) {
    List<ConfigValue> blocks = grid instanceof ConfigList list ? list : List.of(grid);
    List<Run> runs = new ArrayList<>();
    for (ConfigValue block : blocks) {
      if (!(block instanceof ConfigObject object)) {
        throw invalid(path, "grid holds " + block.unwrapped() + ", not { key = [values] }");
      }
      Map<String, ConfigValue> lists = leaves(object);
      checkKeys(lists.keySet(), path);
      runs.addAll(product(lists));
    }
    return runs;
  }

  private static Map<String, ConfigValue> leaves(ConfigObject object) {
    Comparator<String> order =
        Comparator.comparing((String key) -> key.equals(TYPE) ? 0 : key.equals(SEED) ? 2 : 1)
            .thenComparing(Comparator.naturalOrder());
    Map<String, ConfigValue> leaves = new TreeMap<>(order);
    object
        .toConfig()
        .entrySet()
        .forEach(e -> leaves.put(String.join(".", ConfigUtil.splitPath(e.getKey())), e.getValue()));
    return leaves;
  }

  private static List<Run> product(Map<String, ConfigValue> lists) {
    List<Map<String, ConfigValue>> rows = List.of(Map.of());
    for (Map.Entry<String, ConfigValue> entry : lists.entrySet()) {
      List<ConfigValue> values =
          entry.getValue() instanceof ConfigList list ? list : List.of(entry.getValue());
      List<Map<String, ConfigValue>> longer = new ArrayList<>();
      for (Map<String, ConfigValue> row : rows) {
        for (ConfigValue value : values) {
          Map<String, ConfigValue> next = new LinkedHashMap<>(row);
          next.put(entry.getKey(), value);
          longer.add(next);
        }
      }
      rows = longer;
    }
    return rows.stream().map(Run::new).toList();
  }

  /** What runs of a grid share, or what it places itself. */
  private static final Set<String> SHARED =
      Set.of("model", "weights", "backbone", "image", "extract", "compute", "output", "visualize");

  /** Runs read one extraction, each into a folder of its own. */
  private static void checkKeys(Set<String> keys, String path) {
    for (String key : keys) {
      boolean data = key.equals("data.dataset") || key.equals("data.path");
      if (data || SHARED.contains(key.replaceAll("\\..*", ""))) {
        throw invalid(
            path,
            key
                + " cannot vary, since runs share one extraction (of several: embeddings = [A, B])");
      }
    }
  }

  /** Without the runs that agree with one of the exclusions in all its keys. */
  private static List<Run> excluded(List<Run> runs, Config file, String path) {
    if (!file.hasPath(EXCLUDE)) {
      return runs;
    }
    List<Run> kept = new ArrayList<>(runs);
    for (ConfigObject exclusion : file.getObjectList(EXCLUDE)) {
      Map<String, ConfigValue> keys = leaves(exclusion);
      for (String key : keys.keySet()) {
        if (runs.stream().noneMatch(run -> run.values().containsKey(key))) {
          throw invalid(path, "exclude names " + key + ", which the grid does not vary");
        }
      }
      kept.removeIf(run -> keys.entrySet().stream().allMatch(e -> agrees(run, e)));
    }
    return kept;
  }

  private static boolean agrees(Run run, Map.Entry<String, ConfigValue> key) {
    ConfigValue own = run.values().get(key.getKey());
    List<ConfigValue> values =
        key.getValue() instanceof ConfigList list ? list : List.of(key.getValue());
    return own != null && values.stream().anyMatch(value -> text(value).equals(text(own)));
  }

  private static List<Run> drawn(List<Run> runs, int count, long seed) {
    Set<Run> taken = new LinkedHashSet<>();
    runs.stream()
        .sorted(Comparator.comparingLong(run -> Seeds.hash(seed, "grid", run.name())))
        .limit(count)
        .forEach(taken::add);
    return runs.stream().filter(taken::contains).toList();
  }

  private static List<Run> distinct(List<Run> runs, String path) {
    Map<String, Run> byName = new LinkedHashMap<>();
    for (Run run : runs) {
      Run other = byName.putIfAbsent(run.name(), run);
      if (other != null && !other.equals(run)) {
        throw invalid(path, "two runs would be called " + run.name());
      }
    }
    return List.copyOf(byName.values());
  }
}
