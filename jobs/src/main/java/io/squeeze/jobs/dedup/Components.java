package io.squeeze.jobs.dedup;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.least;
import static org.apache.spark.sql.functions.min;

import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;

/**
 * Connected components by large-star and small-star steps (Kiveris et al., Connected Components in
 * MapReduce and Beyond, 2014). Each step links the neighbours of a node to the least of them, so
 * the number of steps grows with the logarithm of the number of nodes. Every step is written, so
 * that a lost executor costs one step.
 */
final class Components {
  private static final String A = "a";
  private static final String B = "b";
  private static final String LEAST = "least";

  /** No graph takes more: 2^40 nodes. */
  private static final int MOST_STEPS = 80;

  private final SparkSession spark;
  private final HadoopStorage storage;
  private final String scratch;

  /**
   * Components whose steps are written below a folder.
   *
   * @param scratch a folder that the caller deletes
   */
  Components(SparkSession spark, HadoopStorage storage, String scratch) {
    this.spark = spark;
    this.storage = storage;
    this.scratch = scratch;
  }

  /**
   * The least node of each node's component.
   *
   * @param edges columns a and b of any type with an order
   * @return a: a node, b: the least node of its component, which is less than a
   */
  Dataset<Row> of(Dataset<Row> edges) throws IOException {
    Dataset<Row> stars = written(edges.where(col(A).notEqual(col(B))).select(A, B), 0);
    Row before = identity(stars);
    for (int step = 1; step <= MOST_STEPS; step++) {
      JobDescription.name(spark, "dedup", "groups, step " + step);
      Dataset<Row> next = written(smallStar(largeStar(stars)), step);
      Row after = identity(next);
      if (after.equals(before)) {
        return next;
      }
      storage.delete(folder(step - 1));
      stars = next;
      before = after;
    }
    throw new IllegalStateException("Components did not settle in " + MOST_STEPS + " steps");
  }

  /** Links the neighbours of each node that are greater than it to the least neighbour. */
  private static Dataset<Row> largeStar(Dataset<Row> edges) {
    Dataset<Row> both = edges.union(edges.select(col(B).as(A), col(A).as(B)));
    return starred(both, both.where(col(B).gt(col(A))));
  }

  /** Links the neighbours of each node that are less than it, and the node, to the least. */
  private static Dataset<Row> smallStar(Dataset<Row> edges) {
    Dataset<Row> down =
        edges.select(functions.greatest(col(A), col(B)).as(A), least(col(A), col(B)).as(B));
    Dataset<Row> own = down.select(col(A), col(A).as(B)).distinct();
    return starred(down, down.union(own));
  }

  /** Links b to the least of a and its neighbours. */
  private static Dataset<Row> starred(Dataset<Row> neighbours, Dataset<Row> linked) {
    Dataset<Row> leasts =
        neighbours
            .groupBy(A)
            .agg(min(B).as(LEAST))
            .select(col(A), least(col(A), col(LEAST)).as(LEAST));
    return linked
        .join(leasts, A)
        .select(col(B).as(A), col(LEAST).as(B))
        .where(col(A).notEqual(col(B)))
        .distinct();
  }

  /** How many edges there are, and a hash of all: equal for equal sets of edges. */
  private static Row identity(Dataset<Row> edges) {
    return edges
        .agg(functions.count(functions.lit(1)), functions.expr("bit_xor(xxhash64(a, b))"))
        .head();
  }

  private String folder(int step) {
    return Storage.join(scratch, "step-" + step);
  }

  private Dataset<Row> written(Dataset<Row> edges, int step) {
    edges.write().parquet(folder(step));
    return spark.read().schema(edges.schema()).parquet(HadoopStorage.literal(folder(step)));
  }
}
