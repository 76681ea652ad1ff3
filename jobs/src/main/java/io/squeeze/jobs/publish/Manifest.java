package io.squeeze.jobs.publish;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.SegmentationDataset.Column;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a published version of embeddings or codes holds; written last, so a folder with one is
 * whole.
 *
 * @param schemaVersion of the table
 * @param table embeddings, or codes
 * @param settings what the rows depend on, by the key of the setting
 * @param dtype float32 or float16: how features are stored, or were before they became codes
 * @param weights path of the checkpoint of the backbone; null for none
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

  /** The setting that changes when a data set grows. */
  public static final String LISTS = "data.lists";

  /** The setting that names the data set. */
  public static final String DATASET = "data.dataset";

  public static final String NAME = "_manifest.json";
  private static final ObjectMapper JSON = new ObjectMapper();

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
    return of(CODES, asked, dtype, counts, codec, found);
  }

  /** The same photos as embeddings in float32. */
  public Manifest embeddings(
      Map<String, String> asked, Map<String, Long> counts, List<DataFile> found) {
    return of(EMBEDDINGS, asked, "float32", counts, null, found);
  }

  private Manifest of(
      String kind,
      Map<String, String> asked,
      String type,
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
        classes,
        palette,
        columns,
        stratum,
        splits,
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
    try {
      return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(this) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("A manifest is always JSON", e);
    }
  }

  /**
   * Reads the JSON of a file.
   *
   * @throws SqueezeException of category input if it is none or of another schema version
   */
  public static Manifest parse(String json, String path) {
    try {
      int version = JSON.readTree(json).path("schemaVersion").asInt(-1);
      if (version != SCHEMA_VERSION) {
        throw SqueezeException.input(
            path
                + " was written by schema version "
                + version
                + ", this program reads "
                + SCHEMA_VERSION
                + ": extract again into another folder");
      }
      Manifest manifest = JSON.readValue(json, Manifest.class);
      PhotoPreparation.complete(manifest.settings());
      return manifest;
    } catch (JsonProcessingException e) {
      throw SqueezeException.input("Invalid manifest " + path + ": " + e.getOriginalMessage(), e);
    }
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
