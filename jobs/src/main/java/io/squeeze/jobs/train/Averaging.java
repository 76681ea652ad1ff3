package io.squeeze.jobs.train;

import ai.djl.Device;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.TrainSettings;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.spark.PartitionInKey;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.spark.Stages;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.train.Shards.Ids;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.train.Batch;
import io.squeeze.train.Example;
import io.squeeze.train.LocalTrainer;
import io.squeeze.train.LocalTrainer.Result;
import io.squeeze.train.LocalTrainer.TrainingSteps;
import io.squeeze.train.ModelState;
import io.squeeze.train.Revival;
import io.squeeze.train.Revival.Revived;
import io.squeeze.train.StateAverager;
import io.squeeze.train.Tally;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import scala.Tuple2;

/**
 * Rounds of parameter averaging: every shard starts from the same state, takes its own steps, and
 * the states are averaged, weighted by samples. Each chunk of the state is summed by one task, in
 * the order of the shards, so the driver receives one state however many shards there are.
 */
final class Averaging {
  /** Largest number of bytes of samples that a task holds, if this class chooses the rounds. */
  private static final long HELD = 256L << 20;

  /** Steps between two averagings of a small state ... */
  private static final int FEWEST_STEPS = 5;

  /** ... and of a large one, for each of its chunks. */
  private static final int STEPS_OF_CHUNK = 2;

  /** Evaluations that one task, or the driver, adds up. */
  private static final int FAN_IN = 64;

  private final JavaSparkContext context;
  private final Reporter reporter;
  private final Trainer trainer;
  private final Shards shards;

  Averaging(
      SqueezeSession session,
      SqueezeModel model,
      Batch.Layout layout,
      Settings settings,
      Shards shards) {
    this.context = JavaSparkContext.fromSparkContext(session.spark().sparkContext());
    this.reporter = session.reporter();
    this.trainer = new Trainer(model, layout, settings.train(), settings.seed(), shards.parts());
    this.shards = shards;
  }

  /** Makes the local trainer of a task. */
  private record Trainer(
      SqueezeModel model, Batch.Layout layout, TrainSettings settings, long seed, int shards)
      implements Serializable {
    LocalTrainer start() {
      Device device = Tasks.start();
      return new LocalTrainer(model, layout, settings, seed, device, shards);
    }
  }

  /**
   * What shards say of a round, beside their states.
   *
   * @param diverged a sentence for each shard whose numbers were not finite
   */
  private record Report(
      Tally tally,
      Map<String, HostTensor> counters,
      List<List<Keyed>> candidates,
      List<String> diverged)
      implements Serializable {

    Report plus(Report other) {
      List<String> sentences = new ArrayList<>(diverged);
      sentences.addAll(other.diverged);
      return new Report(
          tally.plus(other.tally),
          StateAverager.merged(counters, other.counters),
          Revival.merged(candidates, other.candidates),
          sentences);
    }
  }

  /**
   * A chunk of a state, or of an average.
   *
   * @param floats null of a shard that took no step
   * @param report with the first chunk, else null
   */
  private record Piece(byte[] floats, long weight, Report report) implements Serializable {}

  /**
   * What an epoch gave.
   *
   * @param dropped shards left out of rounds
   */
  record Epoch(ModelState state, Tally tally, int dropped) {}

  /**
   * One pass over all samples, or {@code train.max-batches} of it: as many rounds as that takes.
   *
   * @throws SqueezeException of category training if numbers are not finite
   */
  Epoch epoch(ModelState start, int epoch) {
    int[] limits = IntStream.range(0, shards.parts()).map(this::batches).toArray();
    int longest = IntStream.of(limits).max().orElseThrow();
    int frequency = frequency(StateAverager.chunks(start));
    ModelState state = start;
    Tally tally = Tally.empty(trainer.model());
    int dropped = 0;
    for (int from = 0; from < longest; from += frequency) {
      int first = from;
      Epoch round =
          round(
              state,
              i ->
                  new TrainingSteps(epoch, first, Math.min(first + frequency, limits[i]), longest));
      state = round.state();
      tally = tally.plus(round.tally());
      dropped += round.dropped();
    }
    return new Epoch(state, tally, dropped);
  }

  /** The number of steps of a round. It grows with the cost of an average. */
  private int frequency(int chunks) {
    TrainSettings train = trainer.settings();
    if (shards.parts() == 1) {
      // Nothing is averaged: rounds only bound what a task holds.
      return (int) Math.max(1, HELD / (train.batchSize() * shards.rowBytes()));
    }
    return train.averagingFrequency() == null
        ? Math.max(FEWEST_STEPS, STEPS_OF_CHUNK * chunks)
        : train.averagingFrequency();
  }

  /** Batches of a shard in an epoch; {@code train.max-batches} is spread over the shards. */
  private int batches(int shard) {
    TrainSettings train = trainer.settings();
    int all = Math.toIntExact((shards.size(shard) + train.batchSize() - 1) / train.batchSize());
    if (train.maxBatches() == null) {
      return all;
    }
    int most = train.maxBatches();
    return Math.min(all, most / shards.parts() + (shard < most % shards.parts() ? 1 : 0));
  }

  private interface StepsOfShard extends Serializable {
    TrainingSteps of(int shard);
  }

  private Epoch round(ModelState state, StepsOfShard steps) {
    Broadcast<ModelState> start = context.broadcast(state);
    try {
      List<Piece> average = average(start, steps, StateAverager.chunks(state));
      Report report = average.get(0).report();
      checkDiverged(report.diverged(), average.get(0).floats() == null);
      List<byte[]> chunks = average.stream().map(Piece::floats).toList();
      ModelState next =
          StateAverager.assemble(
              state, chunks, report.counters(), shards.parts(), trainer.model().quantizer());
      Revived revived = Revival.revive(trainer.model().quantizer(), next, report.candidates());
      return new Epoch(
          revived.state(), report.tally().revived(revived.codes()), report.diverged().size());
    } finally {
      start.destroy();
    }
  }

  private void checkDiverged(List<String> diverged, boolean nothingLeft) {
    boolean drop = trainer.settings().dropDiverged();
    if (!diverged.isEmpty() && (!drop || nothingLeft)) {
      throw SqueezeException.training(
          diverged.get(0) + (nothingLeft && drop ? "; so did every other shard" : ""));
    }
    diverged.forEach(
        sentence -> reporter.warn(sentence + "; left out of the round (train.on-nan = drop)"));
  }

  /** The chunks of the average, in their order. */
  private List<Piece> average(Broadcast<ModelState> start, StepsOfShard steps, int chunks) {
    Trainer local = trainer;
    JavaPairRDD<Long, Piece> pieces =
        Stages.computing(
                shards
                    .ids()
                    .zipPartitions(
                        shards.examples(),
                        (ids, rows) -> trained(local, start, ids.next(), rows, steps)))
            .mapToPair(piece -> piece);
    if (shards.parts() == 1) {
      // The chunks of one state are their own average.
      return pieces.values().collect();
    }
    JavaRDD<Piece> averages =
        pieces
            .repartitionAndSortWithinPartitions(new PartitionInKey(chunks))
            .values()
            .mapPartitions(sorted -> List.of(average(sorted)).iterator());
    List<Piece> average = averages.collect();
    // The states of all shards would stay on disks until the driver's garbage is collected.
    averages.rdd().cleanShuffleDependencies(false);
    return average;
  }

  private static Piece average(Iterator<Piece> sorted) {
    StateAverager.Sum sum = new StateAverager.Sum();
    Report report = null;
    while (sorted.hasNext()) {
      Piece piece = sorted.next();
      if (piece.floats() != null) {
        sum.add(piece.floats(), piece.weight());
      }
      if (piece.report() != null) {
        report = report == null ? piece.report() : report.plus(piece.report());
      }
    }
    return new Piece(sum.average(), 0, report);
  }

  private static Iterator<Tuple2<Long, Piece>> trained(
      Trainer trainer,
      Broadcast<ModelState> start,
      Ids shard,
      Iterator<Example> rows,
      StepsOfShard all) {
    TrainingSteps steps = all.of(shard.group());
    List<String> diverged = List.of();
    try {
      if (steps.from() < steps.to()) {
        return pieces(
            shard.group(), trainer.start().train(start.value(), shard.ids(), rows, steps));
      }
    } catch (SqueezeException e) {
      if (e.category() != SqueezeException.Category.TRAINING) {
        throw e;
      }
      // Spark would repeat a failed task, which would fail again. So the task reports the failure
      // to the round.
      diverged = List.of("Shard " + shard.group() + ": " + e.getMessage());
    }
    Report report = new Report(Tally.empty(trainer.model()), Map.of(), List.of(), diverged);
    long key = PartitionInKey.key(0, shard.group());
    return List.of(new Tuple2<>(key, new Piece(null, 0, report))).iterator();
  }

  /** The state in chunks, one made at a time. */
  private static Iterator<Tuple2<Long, Piece>> pieces(int shard, Result result) {
    Report report =
        new Report(
            result.tally(), StateAverager.counters(result.state()), result.candidates(), List.of());
    long weight = result.tally().samples();
    return IntStream.range(0, StateAverager.chunks(result.state()))
        .mapToObj(
            chunk -> {
              byte[] floats = StateAverager.chunk(result.state(), chunk);
              Piece piece = new Piece(floats, weight, chunk == 0 ? report : null);
              return new Tuple2<>(PartitionInKey.key(chunk, shard), piece);
            })
        .iterator();
  }

  /** Evaluates a state on held-out samples, summed in the order of their groups. */
  Tally evaluate(ModelState state, Shards heldOut) {
    Broadcast<ModelState> start = context.broadcast(state);
    Trainer local = trainer;
    try {
      JavaRDD<Tally> tallies =
          Stages.computing(
              heldOut
                  .examples()
                  .mapPartitions(
                      rows ->
                          List.of(local.start().evaluate(start.value(), list(rows))).iterator()));
      for (int parts = heldOut.parts(); parts > FAN_IN; parts = tallies.getNumPartitions()) {
        tallies = summed(tallies, (parts + FAN_IN - 1) / FAN_IN);
      }
      return sum(Tally.empty(trainer.model()), tallies.collect().iterator());
    } finally {
      start.destroy();
    }
  }

  /** The sums of groups of neighbours, each in order. */
  private JavaRDD<Tally> summed(JavaRDD<Tally> tallies, int groups) {
    SqueezeModel model = trainer.model();
    return tallies
        .mapPartitionsWithIndex(
            (i, one) ->
                List.of(new Tuple2<>(PartitionInKey.key(i / FAN_IN, i % FAN_IN), one.next()))
                    .iterator(),
            true)
        .mapToPair(keyed -> keyed)
        .repartitionAndSortWithinPartitions(new PartitionInKey(groups))
        .values()
        .mapPartitions(sorted -> List.of(sum(Tally.empty(model), sorted)).iterator());
  }

  private static Tally sum(Tally empty, Iterator<Tally> tallies) {
    Tally sum = empty;
    while (tallies.hasNext()) {
      sum = sum.plus(tallies.next());
    }
    return sum;
  }

  private static List<Example> list(Iterator<Example> rows) {
    List<Example> list = new ArrayList<>();
    rows.forEachRemaining(list::add);
    return list;
  }
}
