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
 * Recall@10: the share of a vector's ten nearest neighbours (Euclidean, itself left out) that are
 * still among its ten nearest when of the others only the codes are known: by the distance in the
 * space where the quantizer searches. Of up to 200 vectors among up to 20,000, drawn by hash of
 * names.
 */
public final class Recall {
  private static final int NEIGHBOURS = 10;
  private static final int QUERIES = 200;
  private static final int SEARCHED = 20_000;

  private Recall() {}

  /**
   * A vector and its codes.
   *
   * @param located the vector where the quantizer searches
   * @param decoded what its codes stand for there
   */
  public record Pair(String id, float[] vector, float[] located, float[] decoded)
      implements Serializable {}

  /** Whether a vector, one of {@code count}, is among those that are searched. */
  public static boolean searched(String id, long count) {
    return drawn("searched", id, SEARCHED, count);
  }

  /** Whether a vector is among those whose neighbours are asked for. */
  public static boolean asked(String id, long count) {
    return drawn("query", id, QUERIES, count);
  }

  private static boolean drawn(String purpose, String id, int most, long count) {
    return Seeds.takes(Seeds.hash(0, purpose, id), (double) most / count);
  }

  /** The mean over the queries; 1 where there is nothing to find. */
  public static double of(JavaRDD<Pair> searched, List<Pair> queries) {
    if (queries.isEmpty()) {
      return 1;
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
    return all == 0 ? 1 : shared / all;
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
