package io.squeeze.jobs.publish;

import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;

/**
 * Where a version grows until it is published.
 *
 * @param base path of the data set
 * @param name of the version
 * @param growing name of the folder until then, in the data set and in the tables beside it
 */
public record Place(HadoopStorage storage, String base, String name, String growing) {

  /** The folder that rows are written to. */
  public String rows() {
    return Storage.join(base, growing);
  }

  /** The folder that rows of a table beside the version are written to, such as rejects. */
  public String beside(String table) {
    return Storage.join(base, table + "/" + growing);
  }

  /** The folder that the rows are in once they are published. */
  public String version() {
    return Storage.join(base, name);
  }

  /** The folder of a table beside it, once it is published. */
  public String publishedBeside(String table) {
    return Storage.join(base, table + "/" + name);
  }

  /**
   * Deletes what failed or repeated attempts of tasks left in a folder.
   *
   * @param folder {@link #rows} or {@link #beside}
   * @param files that stay
   */
  public void keepOnly(String folder, Collection<DataFile> files) throws IOException {
    Set<String> kept = new HashSet<>();
    files.forEach(file -> kept.add(file.path()));
    for (String file : storage.files(folder).keySet()) {
      if (!kept.contains(file)) {
        storage.delete(Storage.join(folder, file));
      }
    }
  }
}
