package io.squeeze.jobs.fit;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.squeeze.quantize.CodebookStatistics;
import io.squeeze.quantize.CovarianceAccumulator;
import io.squeeze.quantize.KMeans;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.Round;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Pieces;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BiConsumer;
import java.util.function.BinaryOperator;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** The vectors of a fit in the memory of one task, whose threads pass over them. */
record HeldVectors(List<VectorBlock> blocks) implements FitVectors {

  @Override
  public long count() {
    return blocks.stream().mapToLong(block -> block.keys().length).sum();
  }

  private double largest() {
    return blocks.stream().mapToDouble(VectorBlock::largest).max().orElse(0);
  }

  /** Passes over all blocks. A thread adds to a sum of its own; sums are exact in any order. */
  private static <S> S summed(
      List<VectorBlock> blocks,
      Supplier<S> empty,
      BiConsumer<S, VectorBlock> add,
      BinaryOperator<S> merge) {
    Queue<S> sums = new ConcurrentLinkedQueue<>();
    Pieces.run(
        blocks.size(),
        i -> {
          S sum = sums.poll();
          sum = sum == null ? empty.get() : sum;
          add.accept(sum, blocks.get(i));
          sums.add(sum);
        });
    return sums.stream().reduce(merge).orElseGet(empty);
  }

  @Override
  public CodebookStatistics sum(int channels) {
    int exponent = CodebookStatistics.exponent(largest());
    return summed(
        blocks,
        () -> new CodebookStatistics(1, channels, exponent),
        (sum, block) -> block.sum(sum),
        CodebookStatistics::merge);
  }

  @Override
  public double largest(float[] centre) {
    return blocks.stream()
        .mapToDouble(block -> CovarianceAccumulator.largest(block, centre))
        .max()
        .orElse(0);
  }

  @Override
  public CovarianceAccumulator scatter(float[] centre, double largest) {
    long all = count();
    return summed(
        blocks,
        () -> new CovarianceAccumulator(centre, largest, all),
        CovarianceAccumulator::add,
        CovarianceAccumulator::merge);
  }

  @Override
  public <S extends Round.Sums<S>> S sums(Pass<S> pass, Map<String, HostTensor> tensors) {
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, tensors)) {
      return summed(
          blocks,
          () -> pass.round().none(pass.largest()),
          (sums, block) ->
              pass.round()
                  .add(
                      sums,
                      Blocks.located(pass.quantizer(), block, manager, parameters),
                      parameters),
          Round.Sums::merge);
    }
  }

  @Override
  public void searched(
      Quantizer quantizer,
      int codebook,
      Map<String, HostTensor> tensors,
      Consumer<KMeans.Points> use) {
    List<VectorBlock> searched = Blocks.searched(quantizer, codebook, blocks, tensors);
    use.accept(
        new HeldPoints(
            searched,
            quantizer.codebooks().get(codebook).width(),
            CodebookStatistics.exponent(new HeldVectors(searched).largest())));
  }

  private record HeldPoints(List<VectorBlock> blocks, int width, int exponent)
      implements KMeans.Points {

    @Override
    public Keyed first(long seed) {
      return blocks.stream()
          .map(block -> block.first(seed))
          .min(VectorBlock.drawn(seed))
          .orElseThrow();
    }

    @Override
    public CodebookStatistics statistics(float[] centroids, int summed) {
      return HeldVectors.summed(
          blocks,
          () -> new CodebookStatistics(centroids.length / width, summed, exponent),
          (sum, block) -> block.assign(centroids, sum),
          CodebookStatistics::merge);
    }

    @Override
    public List<Keyed> draw(float[] centroids, double share, long seed) {
      Queue<Keyed> drawn = new ConcurrentLinkedQueue<>();
      Pieces.run(blocks.size(), i -> drawn.addAll(blocks.get(i).draw(centroids, share, seed)));
      List<Keyed> sorted = new ArrayList<>(drawn);
      sorted.sort(Comparator.comparingLong(Keyed::key));
      return sorted;
    }
  }
}
