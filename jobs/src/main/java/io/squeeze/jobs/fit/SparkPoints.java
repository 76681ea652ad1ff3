package io.squeeze.jobs.fit;

import io.squeeze.config.Seeds;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.quantize.CodebookStatistics;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.quantize.KMeans.Points;
import io.squeeze.quantize.VectorBlock;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.storage.StorageLevel;

/** Vectors that lie on the executors; every pass is a job, whose statistics meet in a tree. */
public final class SparkPoints implements Points, AutoCloseable {
  private final JavaRDD<VectorBlock> blocks;
  private final int width;
  private final int exponent;

  /** Keeps the blocks until closed. */
  public SparkPoints(JavaRDD<VectorBlock> blocks, int width) {
    this.blocks = blocks.persist(StorageLevel.MEMORY_AND_DISK());
    this.width = width;
    double largest = this.blocks.map(VectorBlock::largest).fold(0.0, Math::max);
    this.exponent = CodebookStatistics.exponent(largest);
  }

  /** Vectors in all blocks. */
  public long count() {
    return blocks.map(block -> (long) block.keys().length).fold(0L, Long::sum);
  }

  @Override
  public int width() {
    return width;
  }

  @Override
  public Keyed first(long seed) {
    return blocks
        .map(block -> block.first(seed))
        .reduce((a, b) -> VectorBlock.drawn(seed).compare(a, b) <= 0 ? a : b);
  }

  @Override
  public CodebookStatistics statistics(float[] centroids, int summed) {
    Broadcast<float[]> sent = send(centroids);
    int codes = centroids.length / width;
    int scale = exponent;
    try {
      return blocks
          .mapPartitions(rows -> assigned(rows, sent.value(), codes, summed, scale))
          .treeReduce(CodebookStatistics::merge);
    } finally {
      sent.destroy();
    }
  }

  /** One sum a partition, none of an empty one. */
  private static Iterator<CodebookStatistics> assigned(
      Iterator<VectorBlock> rows, float[] centroids, int codes, int summed, int scale) {
    if (!rows.hasNext()) {
      return List.<CodebookStatistics>of().iterator();
    }
    Tasks.startOnCpu();
    CodebookStatistics sum = new CodebookStatistics(codes, summed, scale);
    rows.forEachRemaining(block -> block.assign(centroids, sum));
    return List.of(sum).iterator();
  }

  @Override
  public List<Keyed> draw(float[] centroids, double share, long seed) {
    Broadcast<float[]> sent = send(centroids);
    try {
      return blocks
          .mapPartitions(
              rows -> {
                Tasks.startOnCpu();
                return flat(rows, block -> block.draw(sent.value(), share, seed));
              })
          .collect();
    } finally {
      sent.destroy();
    }
  }

  /** A share of the vectors, drawn by hash of key and seed. */
  public List<Keyed> sample(long seed, double share) {
    return blocks
        .flatMap(
            block ->
                block
                    .where(key -> Seeds.takes(Seeds.hash(seed ^ key, "sample", ""), share))
                    .stream()
                    .flatMap(some -> IntStream.range(0, some.keys().length).mapToObj(some::at))
                    .iterator())
        .collect();
  }

  private static Iterator<Keyed> flat(
      Iterator<VectorBlock> rows, java.util.function.Function<VectorBlock, List<Keyed>> of) {
    List<Keyed> all = new java.util.ArrayList<>();
    rows.forEachRemaining(block -> all.addAll(of.apply(block)));
    all.sort(Comparator.comparingLong(Keyed::key));
    return all.iterator();
  }

  private Broadcast<float[]> send(float[] centroids) {
    return JavaSparkContext.fromSparkContext(blocks.context()).broadcast(centroids);
  }

  @Override
  public void close() {
    blocks.unpersist();
  }
}
