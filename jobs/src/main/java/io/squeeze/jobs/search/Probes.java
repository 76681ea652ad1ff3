package io.squeeze.jobs.search;

import io.squeeze.backbone.BackboneFile;
import io.squeeze.config.Json;
import io.squeeze.config.Seeds;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.report.RecallChart;
import io.squeeze.storage.Storage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/**
 * How many of the ten nearest vectors are found if only some lists are read, measured when the
 * index was made: vectors of the index ask for their neighbours among all codes, and the lists of
 * these neighbours are counted in the order in which a search reads lists.
 *
 * @param queries vectors that asked
 * @param measured for numbers of lists that double
 */
public record Probes(int queries, List<Measured> measured) {
  static final String NAME = "_recall.json";
  private static final String PICTURE = "_recall.svg";
  private static final int NEIGHBOURS = 10;
  private static final int ASKED = 64;

  /** So that queries from elsewhere, which are further from all vectors, still find 95 %. */
  private static final double ENOUGH = 0.98;

  /**
   * What a number of lists gives.
   *
   * @param probes lists that are read for each query
   * @param recall share of the ten nearest that they hold
   * @param share of all vectors that they hold
   */
  public record Measured(int probes, double recall, double share) {}

  /**
   * Measures an index.
   *
   * @param vectors of the codes that it is of
   */
  static Probes measure(SqueezeSession session, OpenedIndex index, IndexedVectors vectors) {
    List<Keyed> asked = drawn(session, index, vectors);
    int lists = index.centroids().count();
    float[][] queries = asked.stream().map(Keyed::vector).toArray(float[][]::new);
    int[][] place = places(index.centroids().nearest(queries, lists), lists);
    int[] places = new int[lists];
    int[] found = new int[queries.length];
    for (Row row : exact(session, index, asked)) {
      int q = row.<byte[]>getAs(Columns.QUERY_ID)[0];
      long key =
          IndexedVectors.key(row.getAs(Columns.SAMPLE_ID), row.<Integer>getAs(Columns.POSITION));
      if (key != asked.get(q).key() && found[q] < NEIGHBOURS) {
        places[place[q][row.<Integer>getAs(Columns.LIST)]]++;
        found[q]++;
      }
    }
    return new Probes(queries.length, measured(places, place, index));
  }

  /** The nearest of all vectors; one more than are counted, since a vector finds itself. */
  private static List<Row> exact(SqueezeSession session, OpenedIndex index, List<Keyed> asked) {
    List<Row> rows = new ArrayList<>();
    for (int q = 0; q < asked.size(); q++) {
      Keyed query = asked.get(q);
      rows.add(
          RowFactory.create(
              new byte[] {(byte) q}, query.key(), query.vector(), 0f, Queries.ALL_LISTS));
    }
    return CodeSearch.of(session, index)
        .nearestOf(
            session.spark().createDataFrame(rows, Queries.SCHEMA),
            new CodeSearch.Request(NEIGHBOURS + 1, 0, null))
        .orderBy(Columns.RANK)
        .collectAsList();
  }

  private static int[][] places(int[][] order, int lists) {
    int[][] place = new int[order.length][lists];
    for (int q = 0; q < order.length; q++) {
      for (int i = 0; i < lists; i++) {
        place[q][order[q][i]] = i;
      }
    }
    return place;
  }

  /**
   * What each number of lists gives.
   *
   * @param places neighbours by the place of their list in the order of reading
   * @param place [query][list] in that order
   */
  private static List<Measured> measured(int[] places, int[][] place, OpenedIndex index) {
    int lists = places.length;
    long[] sizes = new long[lists];
    for (int[] ofQuery : place) {
      for (int list = 0; list < lists; list++) {
        sizes[ofQuery[list]] += index.plan().vectors()[list];
      }
    }
    double vectors = (double) index.vectors() * place.length;
    double neighbours = IntStream.of(places).sum();
    List<Measured> measured = new ArrayList<>();
    long found = 0;
    long read = 0;
    int counted = 0;
    for (int probes = 1; ; probes = Math.min(lists, 2 * probes)) {
      for (; counted < probes; counted++) {
        found += places[counted];
        read += sizes[counted];
      }
      double recall = neighbours == 0 ? 1 : found / neighbours;
      measured.add(new Measured(probes, recall, read / vectors));
      if (probes == lists) {
        return measured;
      }
    }
  }

  private static List<Keyed> drawn(
      SqueezeSession session, OpenedIndex index, IndexedVectors vectors) {
    double share = Math.min(1, 4.0 * ASKED / index.vectors());
    List<Keyed> drawn =
        new ArrayList<>(
            vectors
                .sample(session.spark(), Seeds.hash(0, "recall", ""), share)
                .flatMap(
                    block -> IntStream.range(0, block.keys().length).mapToObj(block::at).iterator())
                .collect());
    drawn.sort(
        Comparator.comparingLong((Keyed vector) -> Seeds.hash(vector.key(), "recall", ""))
            .thenComparing(Keyed.ORDER));
    return drawn.subList(0, Math.min(ASKED, drawn.size()));
  }

  /** The least number of lists that was enough. */
  int usual(int lists) {
    return measured.stream()
        .filter(one -> one.recall() >= ENOUGH)
        .mapToInt(Measured::probes)
        .min()
        .orElse(lists);
  }

  void print(Reporter reporter) {
    reporter.result(
        "Lists read for a query, recall@10 on the codes, share of the vectors (%d queries):"
            .formatted(queries));
    for (Measured one : measured) {
      reporter.result(
          String.format(
              Locale.ROOT,
              "  %6d  %.3f  %6.2f %%%s",
              one.probes(),
              one.recall(),
              100 * one.share(),
              one.probes() == usual(0) ? "  (the default of search)" : ""));
    }
  }

  /** Writes the numbers, and a picture of them. */
  List<DataFile> write(HadoopStorage storage, String place) throws IOException {
    ByteArrayOutputStream picture = new ByteArrayOutputStream();
    RecallChart.of(
            "Recall of the index, by the lists that a query reads",
            measured.stream()
                .map(one -> new RecallChart.Point(one.probes(), one.share(), one.recall()))
                .toList())
        .svg(picture);
    return List.of(
        file(storage, place, NAME, Json.pretty(this).getBytes(StandardCharsets.UTF_8)),
        file(storage, place, PICTURE, picture.toByteArray()));
  }

  private static DataFile file(HadoopStorage storage, String place, String name, byte[] bytes)
      throws IOException {
    storage.replace(Storage.join(place, name), out -> out.write(bytes));
    String sha256 = BackboneFile.digest(new ByteArrayInputStream(bytes));
    return new DataFile(name, bytes.length, 0, sha256);
  }

  static Probes read(HadoopStorage storage, Published index) throws IOException {
    String path = Storage.join(index.path(), NAME);
    return Json.value(storage.text(path), Probes.class, path);
  }
}
