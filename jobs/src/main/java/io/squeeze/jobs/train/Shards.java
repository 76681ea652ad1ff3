package io.squeeze.jobs.train;

import io.squeeze.dataset.Cut;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.Cuts;
import io.squeeze.jobs.spark.PartitionInKey;
import io.squeeze.train.Example;
import java.util.Arrays;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.storage.StorageLevel;
import scala.Tuple2;

/**
 * Samples in groups of equal size, by seed and id alone; partition i of the RDD is group i.
 *
 * @param count samples of all groups
 */
record Shards(JavaRDD<Example> examples, long count, int parts) {

  /** Reads the rows and keeps them in the executors' memory, or on their disks beyond it. */
  static Shards of(Dataset<Row> rows, long seed, String purpose, long count, int parts) {
    long[] bounds = Cuts.bounds(rows, seed, purpose, count, parts);
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
            .persist(StorageLevel.MEMORY_AND_DISK());
    return new Shards(examples, count, parts);
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
