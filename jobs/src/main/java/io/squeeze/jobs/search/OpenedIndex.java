package io.squeeze.jobs.search;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.SearchSpace;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.search.Centroids;
import java.io.IOException;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * A published index with what a search needs on the driver: a centroid for each list, and the
 * quantizer.
 */
record OpenedIndex(
    Published published,
    TrainedQuantizer quantizer,
    SearchSpace space,
    Centroids centroids,
    ListPlan plan) {

  /**
   * Opens the index of codes.
   *
   * @throws SqueezeException of category input if there is none, or it is of other codes
   */
  static OpenedIndex open(SqueezeSession session, String path) throws IOException {
    Published codes = Versions.codes(session.storage(), path, "--codes");
    Published index =
        Versions.index(session.storage(), codes)
            .orElseThrow(
                () ->
                    SqueezeException.input(
                        "There is no index beside %s: run index --codes %s"
                            .formatted(codes.path(), path)));
    return open(session, codes, index);
  }

  /** The same of a version of codes and one of their index. */
  static OpenedIndex open(SqueezeSession session, String codes, String index) throws IOException {
    return open(
        session,
        Versions.codes(session.storage(), codes, "--codes"),
        new Versions(session.storage(), index).current().orElseThrow());
  }

  private static OpenedIndex open(SqueezeSession session, Published codes, Published index)
      throws IOException {
    TrainedQuantizer quantizer = TrainedQuantizer.beside(session.storage(), codes);
    String trained = index.manifest().settings().get(TrainedQuantizer.CHECKPOINT);
    if (!quantizer.sha256().equals(trained)) {
      throw SqueezeException.input(
          "%s is of another quantizer than %s: delete it and index again"
              .formatted(index.path(), codes.path()));
    }
    if (!IndexJob.content(codes).equals(index.manifest().settings().get(IndexJob.CODES))) {
      session
          .reporter()
          .warn(
              "%s is of an earlier version than %s: index again to find what is new"
                  .formatted(index.path(), codes.path()));
    }
    SearchSpace space = SearchSpace.of(quantizer);
    return of(session.spark(), index, quantizer, space);
  }

  private static OpenedIndex of(
      SparkSession spark, Published index, TrainedQuantizer quantizer, SearchSpace space) {
    int width = space.words().width();
    List<Row> rows = index.lists(spark).collectAsList();
    long[] vectors = new long[rows.size()];
    int[] first = new int[rows.size()];
    int[] last = new int[rows.size()];
    for (Row row : rows) {
      int list = row.getInt(row.fieldIndex(Columns.LIST));
      vectors[list] = row.getLong(row.fieldIndex(Columns.VECTORS));
      first[list] = row.getInt(row.fieldIndex(Columns.FIRST_FILE));
      last[list] = row.getInt(row.fieldIndex(Columns.LAST_FILE));
    }
    return new OpenedIndex(
        index, quantizer, space, centroids(rows, width), new ListPlan(vectors, first, last));
  }

  /** The centroids of an index. */
  static Centroids centroids(SparkSession spark, Published index, int width) {
    return centroids(index.lists(spark).collectAsList(), width);
  }

  private static Centroids centroids(List<Row> rows, int width) {
    float[] values = new float[rows.size() * width];
    for (Row row : rows) {
      int at = row.getInt(row.fieldIndex(Columns.LIST)) * width;
      List<Float> centroid = row.getList(row.fieldIndex(Columns.CENTROID));
      for (int j = 0; j < width; j++) {
        values[at + j] = centroid.get(j);
      }
    }
    return new Centroids(values, width);
  }

  /** Vectors in all lists. */
  long vectors() {
    long all = 0;
    for (long count : plan.vectors()) {
      all += count;
    }
    return all;
  }
}
