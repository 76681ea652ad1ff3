package io.squeeze.jobs.encode;

import io.squeeze.backbone.BackboneFile;
import io.squeeze.config.Json;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.jobs.storage.TableFile;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The files of a table that codes were made from, kept with the codes: the next version encodes the
 * rows of the files that came or changed, and takes the other rows' codes over.
 */
final class TableInput {
  /** Below the version; engines leave out what begins with {@code _}. */
  static final String NAME = "_input.json";

  private TableInput() {}

  /** Writes the list into a place. */
  static DataFile write(HadoopStorage storage, String place, List<TableFile> files)
      throws IOException {
    String json = Json.pretty(files);
    storage.replace(Storage.join(place, NAME), json);
    long bytes = json.getBytes(StandardCharsets.UTF_8).length;
    return new DataFile(NAME, bytes, 0, BackboneFile.digest(json));
  }

  /** The files of a table that a version was made from and that are as they were then. */
  static List<TableFile> unchanged(HadoopStorage storage, Published version, List<TableFile> now)
      throws IOException {
    String path = Storage.join(version.path(), NAME);
    if (version.manifest().files().stream().noneMatch(file -> file.path().equals(NAME))) {
      return List.of();
    }
    Set<TableFile> then =
        new HashSet<>(Arrays.asList(Json.value(storage.text(path), TableFile[].class, path)));
    return now.stream().filter(then::contains).toList();
  }
}
