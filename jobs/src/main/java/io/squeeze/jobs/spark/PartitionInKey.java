package io.squeeze.jobs.spark;

import org.apache.spark.Partitioner;

/** Partitions by the high half of a long key; the low half is left for the order within. */
public final class PartitionInKey extends Partitioner {
  private static final long serialVersionUID = 1L;
  private final int partitions;

  public PartitionInKey(int partitions) {
    this.partitions = partitions;
  }

  /** The key of a place within a partition. */
  public static long key(long partition, long place) {
    return partition << 32 | place;
  }

  @Override
  public int numPartitions() {
    return partitions;
  }

  @Override
  public int getPartition(Object key) {
    return (int) ((Long) key >>> 32);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PartitionInKey that && that.partitions == partitions;
  }

  @Override
  public int hashCode() {
    return partitions;
  }
}
