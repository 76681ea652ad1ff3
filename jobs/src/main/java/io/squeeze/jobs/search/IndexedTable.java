package io.squeeze.jobs.search;

import io.squeeze.jobs.model.SourceVectors.Named;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.publish.ForeignTable;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.TableFile;
import java.io.IOException;
import java.io.Serializable;
import java.net.URI;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A table whose rows a join can find by an index: published codes, or the table of vectors that
 * they were made from. Each row has one vector and an id of its own, and the index knows them all.
 *
 * @param codes the version of the codes
 * @param index the version of the index
 * @param probes lists that are read for each query
 * @param lists of the index
 * @param vectors the table of vectors, by which candidates are measured again; null for codes
 * @param unit whether all vectors are of length 1, so that the nearest are the most similar
 */
public record IndexedTable(
    String codes, String index, int probes, int lists, Named vectors, boolean unit)
    implements Serializable {
  /**
   * The codes whose tables a session can search: data sets with an index, separated by commas.
   * {@code SET spark.squeeze.search.codes = codes/table}
   */
  public static final String SETTING = "spark.squeeze.search.codes";

  /**
   * The rows of codes.
   *
   * @param codes a version of codes
   * @param k vectors to find for each query
   */
  public static Optional<IndexedTable> ofCodes(SqueezeSession session, String codes, int k)
      throws IOException {
    return indexed(session, Versions.codes(session.storage(), codes, "--codes"), k, null);
  }

  /**
   * The rows of a table of vectors, where the session names codes of it.
   *
   * @param path of the table
   * @param files that Spark reads of it
   * @param vector the column of its vectors
   * @param ids columns, one of which may name its rows, with their types
   * @param k vectors to find for each query
   * @return empty where none of the codes are of this table as it is now
   * @throws io.squeeze.config.SqueezeException of category input if the session names what are no
   *     codes
   */
  public static Optional<IndexedTable> ofVectors(
      SqueezeSession session,
      String path,
      String[] files,
      String vector,
      Map<String, String> ids,
      int k)
      throws IOException {
    String table = session.storage().qualified(path);
    String named = session.spark().conf().get(SETTING, "");
    for (String name : named.split(",", -1)) {
      if (name.isBlank()) {
        continue;
      }
      Published codes = Versions.codes(session.storage(), name.strip(), SETTING);
      Map<String, String> made = codes.manifest().settings();
      for (Map.Entry<String, String> id : ids.entrySet()) {
        if (VectorTable.source(table, vector, id.getKey()).equals(made.get(Manifest.INPUT))
            && id.getValue().equals(made.get(Manifest.INPUT_IDS))
            && isAsItWas(session.storage().tableFiles(table), files, made)) {
          return indexed(session, codes, k, new Named(table, SETTING, vector, id.getKey()));
        }
      }
    }
    return Optional.empty();
  }

  /** What a search of it reads, such as "4 of 1000 lists of PATH". */
  public String reads() {
    return "%d of %d lists of %s%s"
        .formatted(
            probes, lists, index, vectors == null ? "" : ", measured again by " + vectors.path());
  }

  private static Optional<IndexedTable> indexed(
      SqueezeSession session, Published codes, int k, Named vectors) throws IOException {
    Map<String, String> made = codes.manifest().settings();
    boolean unique = !made.containsKey(Manifest.INPUT) || made.containsKey(Manifest.INPUT_IDS);
    Optional<Published> index = Versions.index(session.storage(), codes);
    if (codes.manifest().positions() != 1
        || !unique
        || index.isEmpty()
        || !IndexJob.content(codes).equals(index.get().manifest().settings().get(IndexJob.CODES))) {
      return Optional.empty();
    }
    long all = codes.manifest().samples();
    int lists = Integer.parseInt(index.get().manifest().settings().get(IndexJob.LISTS));
    int usual = Probes.read(session.storage(), index.get()).usual(lists);
    // That many kept the ten nearest; lists must hold all that are asked for, too.
    double share = (double) new CodeSearch.Request(k, 0, null).candidates(0) / all;
    int probes = (int) Math.min(lists, Math.max(usual, Math.ceil(lists * share)));
    return Optional.of(
        new IndexedTable(
            codes.path(),
            index.get().path(),
            probes,
            lists,
            vectors,
            made.containsKey(Manifest.INPUT_UNIT)));
  }

  /** Whether the files below a table are those of the codes, and Spark reads all of them. */
  private static boolean isAsItWas(List<TableFile> now, String[] read, Map<String, String> made) {
    Set<String> there =
        now.stream()
            .map(file -> file.path().replaceFirst("^[A-Za-z][A-Za-z0-9+.-]*:(//[^/]*)?", ""))
            .collect(Collectors.toSet());
    Set<String> known =
        Arrays.stream(read).map(file -> URI.create(file).getPath()).collect(Collectors.toSet());
    return there.equals(known) && ForeignTable.digest(now).equals(made.get(Manifest.INPUT_FILES));
  }
}
