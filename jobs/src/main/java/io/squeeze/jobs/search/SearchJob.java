package io.squeeze.jobs.search;

import io.squeeze.config.Json;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.BadRows;
import io.squeeze.jobs.model.SourceVectors;
import io.squeeze.jobs.model.SourceVectors.Named;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** Finds the nearest vectors of many queries, and writes them as a folder of Parquet. */
public final class SearchJob {
  /** Beside the Parquet files; engines leave out what begins with {@code _}. */
  static final String SUMMARY = "_summary.json";

  private final SqueezeSession session;
  private final Request request;

  /**
   * What to search.
   *
   * @param codes the data set of codes
   * @param queries vectors to look for
   * @param rerank the vectors that the codes were made from; null: distances to codes are enough
   * @param candidates of each query that are measured again; 0: ten times k
   * @param out folder to write
   */
  public record Request(
      String codes,
      Named queries,
      CodeSearch.Request search,
      Named rerank,
      int candidates,
      String out) {}

  public SearchJob(SqueezeSession session, Request request) {
    this.session = session;
    this.request = request;
  }

  /**
   * Writes query_id, rank, sample_id, position, distance.
   *
   * @return what scripts want to know
   * @throws SqueezeException of category configuration if the folder exists
   */
  public Map<String, Object> run(BadRows badRows) throws IOException {
    String out = Tables.fresh(session.storage(), request.out());
    CodeSearch search = CodeSearch.open(session, request.codes());
    SourceVectors queries = SourceVectors.open(session, request.queries(), badRows);
    int channels = search.channels();
    Tables.readBatches(session.spark(), 4L * channels * queries.positions());
    search.checkChannels(queries, request.queries());
    long began = System.nanoTime();
    int probes = search.probes(request.search().probes());
    session
        .reporter()
        .say(
            "Search of %s: %d of %d lists for each query"
                .formatted(search.path(), probes, search.lists()));
    Dataset<Row> vectors = Queries.of(queries.rows(), Columns.SAMPLE_ID, Columns.VECTOR);
    int candidates = request.search().candidates(request.candidates());
    boolean photos = queries.positions() > 1 && search.positions() > 1;
    if (photos && request.rerank() != null) {
      throw SqueezeException.usage(
          "Photos are compared by their codes: leave out " + request.rerank().option());
    }
    Dataset<Row> found;
    if (photos) {
      found = search.nearestPhotos(vectors, request.search(), candidates);
    } else if (request.rerank() == null) {
      found = search.nearest(vectors, request.search());
    } else {
      SourceVectors source = search.source(request.rerank());
      found = search.nearest(vectors, request.search(), source, candidates);
    }
    Tables.replace(session.storage(), found, out);
    long rows = session.spark().read().parquet(out).count();
    double seconds = (System.nanoTime() - began) / 1e9;
    session
        .reporter()
        .result(
            String.format(Locale.ROOT, "Neighbours: %s, %d rows in %.1f s", out, rows, seconds));
    Map<String, Object> summary = new LinkedHashMap<>();
    summary.put("neighbours", out);
    summary.put("rows", rows);
    summary.put("k", request.search().k());
    summary.put("lists_read", probes);
    summary.put("lists", search.lists());
    summary.put("seconds", seconds);
    session.storage().replace(Storage.join(out, SUMMARY), Json.pretty(summary));
    return summary;
  }
}
