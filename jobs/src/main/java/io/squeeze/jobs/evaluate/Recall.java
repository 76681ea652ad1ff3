package io.squeeze.jobs.evaluate;

import io.squeeze.config.Seeds;
import io.squeeze.quantize.KMeans;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;

/**
 * Recall@10: the share of a vector's ten nearest neighbours that quantization keeps. The true
 * neighbours are the nearest by Euclidean distance, without the vector itself. They are compared
 * with the ten nearest that are found if only the codes of the other vectors are known, by the
 * distance in the space where the quantizer searches. It is measured with about 200 vectors among
 * about 20,000, drawn by hash of names, or with all if there are fewer.
 */
public final class Recall {
  private static final int NEIGHBOURS = 10;

  private Recall() {}

  /**
   * A vector and its codes.
   *
   * @param located the vector where the quantizer searches
   * @param decoded what its codes stand for there
   */
  public record Pair(String id, float[] vector, float[] located, float[] decoded)
      implements Serializable {}

  /**
   * Which vectors take part; a hash of its name draws each.
   *
   * @param queries about how many are asked for their neighbours
   * @param population about how many are searched; {@link Long#MAX_VALUE} for all
   */
  public record Draw(long queries, long population) implements Serializable {
    /** What takes seconds at any size of the table. */
    public static final Draw USUAL = new Draw(200, 20_000);

    /** Whether a vector, one of {@code count}, is searched. */
    public boolean searched(String id, long count) {
      return drawn("searched", id, population, count);
    }

    /** Whether a vector is asked for its neighbours. */
    public boolean asked(String id, long count) {
      return drawn("query", id, queries, count);
    }

    private static boolean drawn(String purpose, String id, long most, long count) {
      return most >= count || Seeds.takes(Seeds.hash(0, purpose, id), (double) most / count);
    }
  }

  /**
   * What was found.
   *
   * @param recall mean over the queries; NaN where there was nothing to find
   * @param queries vectors that were asked for their neighbours
   * @param population vectors that were searched
   */
  public record Result(double recall, long queries, long population) {}

  /** Asks the queries for their neighbours among the searched. */
  public static Result of(JavaRDD<Pair> searched, List<Pair> queries) {
    if (queries.isEmpty()) {
      return new Result(Double.NaN, 0, 0);
    }
    Broadcast<List<Pair>> sent =
        JavaSparkContext.fromSparkContext(searched.context()).broadcast(queries);
    Nearest[][] found =
        searched
            .mapPartitions(
                pairs -> {
                  Nearest[][] nearest = Nearest.none(sent.value().size());
                  pairs.forEachRemaining(pair -> Nearest.offer(nearest, sent.value(), pair));
                  return List.of((Object) nearest).iterator();
                })
            .map(nearest -> (Nearest[][]) nearest)
            .treeReduce(Nearest::merge);
    sent.destroy();
    double shared = 0;
    double all = 0;
    for (Nearest[] query : found) {
      List<String> truth = query[0].ids();
      all += truth.size();
      shared += query[1].ids().stream().filter(truth::contains).count();
    }
    return new Result(shared / all, queries.size(), searched.count());
  }

  /** The ten nearest so far, ties by id. */
  private static final class Nearest implements Serializable {
    private static final long serialVersionUID = 1L;
    private final double[] distances = new double[NEIGHBOURS];
    private final String[] names = new String[NEIGHBOURS];
    private int size;

    static Nearest[][] none(int queries) {
      Nearest[][] none = new Nearest[queries][2];
      for (Nearest[] query : none) {
        query[0] = new Nearest();
        query[1] = new Nearest();
      }
      return none;
    }

    static void offer(Nearest[][] nearest, List<Pair> queries, Pair pair) {
      for (int q = 0; q < queries.size(); q++) {
        Pair query = queries.get(q);
        if (!query.id().equals(pair.id())) {
          nearest[q][0].offer(squared(query.vector(), pair.vector()), pair.id());
          nearest[q][1].offer(squared(query.located(), pair.decoded()), pair.id());
        }
      }
    }

    private static double squared(float[] a, float[] b) {
      return KMeans.squared(a, 0, b, 0, a.length);
    }

    private void offer(double distance, String name) {
      int at = size;
      while (at > 0 && before(distance, name, at - 1)) {
        at--;
      }
      if (at == NEIGHBOURS) {
        return;
      }
      size = Math.min(NEIGHBOURS, size + 1);
      for (int i = size - 1; i > at; i--) {
        distances[i] = distances[i - 1];
        names[i] = names[i - 1];
      }
      distances[at] = distance;
      names[at] = name;
    }

    private boolean before(double distance, String name, int at) {
      return distance < distances[at]
          || (distance == distances[at] && name.compareTo(names[at]) < 0);
    }

    static Nearest[][] merge(Nearest[][] a, Nearest[][] b) {
      for (int q = 0; q < a.length; q++) {
        for (int side = 0; side < 2; side++) {
          for (int i = 0; i < b[q][side].size; i++) {
            a[q][side].offer(b[q][side].distances[i], b[q][side].names[i]);
          }
        }
      }
      return a;
    }

    List<String> ids() {
      return Arrays.asList(names).subList(0, size);
    }
  }
}
