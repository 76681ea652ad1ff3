package io.squeeze.jobs.train;

import io.squeeze.dataset.Cut;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.jobs.spark.PartitionInKey;
import io.squeeze.train.Example;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.storage.StorageLevel;
import scala.Tuple2;

/**
 * Samples in groups of equal size, by seed and id alone; partition i of the RDDs is group i.
 *
 * @param ids of each group
 * @param count samples of all groups
 * @param rowBytes of a sample
 */
record Shards(JavaRDD<Example> examples, JavaRDD<Ids> ids, long count, int parts, long rowBytes) {
  /** Larger rows stay on disk: a few of them would fill the heap. */
  private static final long ROW_IN_MEMORY = 1 << 20;

  /** What a group holds, so that a task can choose before it reads. */
  record Ids(int group, List<String> ids) implements Serializable {}

  /**
   * Reads the rows and keeps them in the executors' memory, or on their disks beyond it.
   *
   * @param rowBytes of a sample
   */
  static Shards of(
      Dataset<Row> rows, long seed, String purpose, long count, int parts, long rowBytes) {
    long[] bounds = SplitAssigner.bounds(rows, seed, purpose, count, parts);
    JavaRDD<Example> examples =
        rows.select(Columns.SAMPLE_ID, Columns.EMBEDDING, Columns.MASK)
            .toJavaRDD()
            .mapToPair(
                row -> {
                  Example example = new Example(row.getString(0), row.getAs(1), row.getAs(2));
                  int part = part(bounds, seed, purpose, example.id());
                  return new Tuple2<>(PartitionInKey.key(part, 0), example);
                })
            .partitionBy(new PartitionInKey(parts))
            .values()
            .persist(
                rowBytes > ROW_IN_MEMORY
                    ? StorageLevel.DISK_ONLY()
                    : StorageLevel.MEMORY_AND_DISK());
    JavaRDD<Ids> ids =
        examples
            .mapPartitionsWithIndex((i, group) -> List.of(idsOf(i, group)).iterator(), true)
            .persist(StorageLevel.MEMORY_AND_DISK());
    return new Shards(examples, ids, count, parts, rowBytes);
  }

  private static Ids idsOf(int group, Iterator<Example> examples) {
    List<String> ids = new ArrayList<>();
    examples.forEachRemaining(example -> ids.add(example.id()));
    return new Ids(group, ids);
  }

  void unpersist() {
    examples.unpersist();
    ids.unpersist();
  }

  private static int part(long[] bounds, long seed, String purpose, String id) {
    int found = Arrays.binarySearch(bounds, Cut.place(seed, purpose, id));
    return found >= 0 ? found + 1 : -found - 1;
  }

  /** Samples of one group. */
  long size(int part) {
    return count * (part + 1) / parts - count * part / parts;
  }
}
