package io.squeeze.jobs.publish;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import io.squeeze.config.Json;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.SegmentationDataset.Column;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Describes a published version of embeddings, of codes, of predicted masks, or of an index of
 * codes. It is written last, so a folder with a manifest is complete.
 *
 * @param schemaVersion of the table
 * @param table embeddings, pooled embeddings, codes, predictions, or an index
 * @param settings what the rows depend on, by the key of the setting
 * @param dtype float32 or float16: how features are stored, or were before they became codes
 * @param weights path of the checkpoint of the backbone, or of its TorchScript file; null for
 *     random weights, and in older manifests for a TorchScript file
 * @param root the folder of the photos when they were read
 * @param classes names of the labels, in order
 * @param palette their colours, 0xRRGGBB
 * @param columns the data set's own columns
 * @param stratum the column by which cuts are balanced; empty for none
 * @param splits the data set's own lists, the one to train on first
 * @param rows by split
 * @param rejected rows of the sibling table
 * @param channels values of a vector
 * @param gridHeight vectors from top to bottom
 * @param gridWidth vectors from left to right
 * @param size side of the square photo and mask, in pixels
 * @param photos the table that holds the photos themselves; null where they are files
 * @param coding how codes stand in their column; null for embeddings, and for arrays of codes
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Manifest(
    int schemaVersion,
    String table,
    Map<String, String> settings,
    String dtype,
    String weights,
    String root,
    List<String> classes,
    List<Integer> palette,
    List<Column> columns,
    String stratum,
    List<String> splits,
    Map<String, Long> rows,
    long rejected,
    int channels,
    int gridHeight,
    int gridWidth,
    int size,
    PhotoTable photos,
    Coding coding,
    List<DataFile> files) {
  public static final int SCHEMA_VERSION = 2;
  public static final String EMBEDDINGS = "embeddings";
  public static final String CODES = "codes";

  /** One vector for each photo, without grids. */
  public static final String POOLED = "pooled embeddings";

  /** Masks that a model gave photos. */
  public static final String PREDICTIONS = "predictions";

  /** Codes in the order of lists of similar vectors. */
  public static final String INDEX = "an index";

  /** The setting that changes when a data set grows. */
  public static final String LISTS = "data.lists";

  /** The setting that changes when a file of the data set does. */
  public static final String FILES = "data.files";

  /** The setting that says how a photo became one vector, where it did. */
  public static final String POOL = "extract.pool";

  /** The setting that names the data set. */
  public static final String DATASET = "data.dataset";

  /** The setting that names the table of vectors. */
  public static final String INPUT = "input";

  /** The setting that changes when a file of that table does. */
  public static final String INPUT_FILES = "input.files";

  /** The setting that says of which type its ids are, where each names one row. */
  public static final String INPUT_IDS = "input.ids";

  /** The setting that is there where all its vectors are of length 1. */
  public static final String INPUT_UNIT = "input.unit";

  public static final String NAME = "_manifest.json";

  /**
   * A table whose rows hold photos.
   *
   * @param path of Parquet
   * @param id column that names a sample
   * @param image column of bytes, or of a struct with them
   */
  public record PhotoTable(String path, String id, String image) {}

  /** The same photos as codes. */
  public Manifest codes(
      Map<String, String> asked, Map<String, Long> counts, Coding codec, List<DataFile> found) {
    return of(CODES, asked, dtype, splits, counts, codec, found);
  }

  /** The same photos as embeddings in float32. */
  public Manifest embeddings(
      Map<String, String> asked, Map<String, Long> counts, List<DataFile> found) {
    return of(EMBEDDINGS, asked, "float32", splits, counts, null, found);
  }

  /** Some of these embeddings, or other rows like them. */
  public Manifest selected(
      Map<String, String> asked, Map<String, Long> counts, List<DataFile> found) {
    return of(EMBEDDINGS, asked, dtype, splits, counts, null, found);
  }

  /** Masks of the same photos, of the classes that a model knows. */
  public Manifest predictions(
      Map<String, String> asked,
      List<String> known,
      List<Integer> colours,
      List<String> lists,
      Map<String, Long> counts,
      List<DataFile> found) {
    return of(PREDICTIONS, asked, dtype, known, colours, lists, counts, null, found);
  }

  /** An index of these codes: its rows are vectors, and belong to no split's folder. */
  public Manifest index(Map<String, String> asked, Coding codec, List<DataFile> found) {
    return of(INDEX, asked, dtype, List.of(), Map.of(), codec, found);
  }

  private Manifest of(
      String kind,
      Map<String, String> asked,
      String type,
      List<String> lists,
      Map<String, Long> counts,
      Coding codec,
      List<DataFile> found) {
    return of(kind, asked, type, classes, palette, lists, counts, codec, found);
  }

  private Manifest of(
      String kind,
      Map<String, String> asked,
      String type,
      List<String> known,
      List<Integer> colours,
      List<String> lists,
      Map<String, Long> counts,
      Coding codec,
      List<DataFile> found) {
    return new Manifest(
        schemaVersion,
        kind,
        asked,
        type,
        weights,
        root,
        known,
        colours,
        columns,
        stratum,
        lists,
        counts,
        0,
        channels,
        gridHeight,
        gridWidth,
        size,
        photos,
        codec,
        found);
  }

  /** The JSON of the file. */
  public String json() {
    return Json.pretty(this);
  }

  /**
   * Reads the JSON of a file.
   *
   * @throws SqueezeException of category input if it is none, of another schema version, or says
   *     what cannot be
   */
  public static Manifest parse(String json, String path) {
    String what = "the manifest " + path;
    int version = Json.tree(json, what).path("schemaVersion").asInt(-1);
    if (version != SCHEMA_VERSION) {
      throw SqueezeException.input(
          "%s was written by schema version %d, this program reads %d: extract again into another folder"
              .formatted(path, version, SCHEMA_VERSION));
    }
    Manifest manifest = Json.value(json, Manifest.class, what);
    List<String> problems = new ManifestCheck().problems(manifest);
    if (!problems.isEmpty()) {
      throw SqueezeException.input(
          "Cannot use %s: %s".formatted(what, String.join("; ", problems)));
    }
    PhotoPreparation.complete(manifest.settings());
    // Version 0.1.0 noted how many rows a table had, not which files.
    manifest
        .settings()
        .computeIfPresent(INPUT, (key, input) -> input.replaceFirst(", [0-9]+ rows$", ""));
    return manifest;
  }

  /** The backbone that made the rows. */
  public BackboneOrigin backbone() {
    return BackboneOrigin.of(settings);
  }

  /** How the photos were prepared for it. */
  public PhotoPreparation preparation() {
    return PhotoPreparation.of(settings);
  }

  /** Name of the data set; null of a table of vectors. */
  public String dataset() {
    return settings.get(DATASET);
  }

  /** Vectors of one sample. */
  public int positions() {
    return gridHeight * gridWidth;
  }

  /** Rows of all splits. */
  @JsonIgnore
  public long samples() {
    return rows.values().stream().mapToLong(Long::longValue).sum();
  }

  /** The lines "key: is X, asked for Y" for every setting that differs. */
  public List<String> differences(Map<String, String> asked) {
    Map<String, String> all = new TreeMap<>(settings);
    all.putAll(asked);
    return all.keySet().stream()
        .filter(key -> !String.valueOf(settings.get(key)).equals(asked.get(key)))
        .map(key -> key + ": is " + settings.get(key) + ", asked for " + asked.get(key))
        .toList();
  }
}
