package io.squeeze.jobs.fit;

import io.squeeze.jobs.spark.Tasks;
import io.squeeze.quantize.CodebookStatistics;
import io.squeeze.quantize.CovarianceAccumulator;
import io.squeeze.quantize.KMeans;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.Round;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;

/** The vectors of a fit on the executors: every pass over them is a job. */
record SpreadVectors(JavaRDD<VectorBlock> blocks, long count) implements FitVectors {

  @Override
  public CodebookStatistics sum(int channels) {
    double largest = blocks.map(VectorBlock::largest).fold(0.0, Math::max);
    int exponent = CodebookStatistics.exponent(largest);
    return blocks
        .map(block -> block.sum(new CodebookStatistics(1, channels, exponent)))
        .treeReduce(CodebookStatistics::merge);
  }

  @Override
  public double largest(float[] centre) {
    return blocks.map(block -> CovarianceAccumulator.largest(block, centre)).fold(0.0, Math::max);
  }

  @Override
  public CovarianceAccumulator scatter(float[] centre, double largest) {
    long all = count;
    return blocks
        .mapPartitions(
            some -> {
              if (!some.hasNext()) {
                return List.<CovarianceAccumulator>of().iterator();
              }
              Tasks.startOnCpu();
              CovarianceAccumulator sum = new CovarianceAccumulator(centre, largest, all);
              some.forEachRemaining(sum::add);
              return List.of(sum).iterator();
            })
        .treeReduce(CovarianceAccumulator::merge);
  }

  @Override
  public <S extends Round.Sums<S>> S sums(Pass<S> pass, Map<String, HostTensor> tensors) {
    Broadcast<Map<String, HostTensor>> sent =
        JavaSparkContext.fromSparkContext(blocks.context()).broadcast(tensors);
    try {
      return blocks
          .mapPartitions(some -> summed(pass, some, sent.value()))
          .treeReduce(Round.Sums::merge);
    } finally {
      sent.destroy();
    }
  }

  private static <S extends Round.Sums<S>> Iterator<S> summed(
      Pass<S> pass, Iterator<VectorBlock> some, Map<String, HostTensor> tensors) {
    if (!some.hasNext()) {
      return List.<S>of().iterator();
    }
    Tasks.startOnCpu();
    List<VectorBlock> held = new ArrayList<>();
    some.forEachRemaining(held::add);
    return List.of(new HeldVectors(held).sums(pass, tensors)).iterator();
  }

  @Override
  public void searched(
      Quantizer quantizer,
      int codebook,
      Map<String, HostTensor> tensors,
      Consumer<KMeans.Points> use) {
    Broadcast<Map<String, HostTensor>> sent =
        JavaSparkContext.fromSparkContext(blocks.context()).broadcast(tensors);
    JavaRDD<VectorBlock> searched =
        blocks.mapPartitions(some -> searched(quantizer, codebook, some, sent.value()));
    int width = quantizer.codebooks().get(codebook).width();
    try (SparkPoints points = new SparkPoints(searched, width)) {
      use.accept(points);
    } finally {
      sent.destroy();
    }
  }

  private static Iterator<VectorBlock> searched(
      Quantizer quantizer, int codebook, Iterator<VectorBlock> some, Map<String, HostTensor> all) {
    if (!some.hasNext()) {
      return List.<VectorBlock>of().iterator();
    }
    Tasks.startOnCpu();
    List<VectorBlock> blocks = new ArrayList<>();
    some.forEachRemaining(blocks::add);
    return Blocks.searched(quantizer, codebook, blocks, all).iterator();
  }
}
