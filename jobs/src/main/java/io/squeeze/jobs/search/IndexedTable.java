package io.squeeze.jobs.search;

import io.squeeze.jobs.model.SourceVectors.Named;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.publish.ForeignTable;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A table of vectors that can be searched by the index of its codes, because the session names
 * these codes: {@code SET spark.squeeze.search.codes = codes/table}.
 *
 * @param codes the version of the codes
 * @param vectors the table, by which candidates are measured again
 * @param unit whether all its vectors are of length 1, so that the nearest are the most similar
 */
public record IndexedTable(String codes, Named vectors, boolean unit) {
  /** Data sets of codes with an index, separated by commas. */
  public static final String SETTING = "spark.squeeze.search.codes";

  /**
   * Looks for the codes of a table.
   *
   * @param table its path
   * @param vector the column of its vectors
   * @param ids columns, one of which may name its rows
   * @return empty where none of the codes are of this table as it is now, or their index is older
   * @throws io.squeeze.config.SqueezeException of category input if the session names what are no
   *     codes
   */
  public static Optional<IndexedTable> find(
      SqueezeSession session, String table, String vector, List<String> ids) throws IOException {
    String path = session.storage().qualified(table);
    String named = session.spark().conf().get(SETTING, "");
    for (String name : named.split(",", -1)) {
      if (name.isBlank()) {
        continue;
      }
      Published codes = Versions.codes(session.storage(), name.strip(), SETTING);
      Map<String, String> made = codes.manifest().settings();
      for (String id : ids) {
        if (VectorTable.source(path, vector, id).equals(made.get(Manifest.INPUT))
            && isCurrent(session, codes, path)) {
          return Optional.of(
              new IndexedTable(
                  codes.path(),
                  new Named(path, SETTING, vector, id),
                  made.containsKey(Manifest.INPUT_UNIT)));
        }
      }
    }
    return Optional.empty();
  }

  private static boolean isCurrent(SqueezeSession session, Published codes, String path)
      throws IOException {
    String files = codes.manifest().settings().get(Manifest.INPUT_FILES);
    Optional<Published> index = Versions.index(session.storage(), codes);
    return index.isPresent()
        && IndexJob.content(codes).equals(index.get().manifest().settings().get(IndexJob.CODES))
        && ForeignTable.digest(session.storage().tableFiles(path)).equals(files);
  }
}
