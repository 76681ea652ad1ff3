package io.squeeze.jobs.train;

import ai.djl.Device;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.TrainSettings;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.train.Shards.Ids;
import io.squeeze.metric.CodebookHealth;
import io.squeeze.metric.ConfusionMatrix;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.train.Batch;
import io.squeeze.train.Example;
import io.squeeze.train.LocalTrainer;
import io.squeeze.train.LocalTrainer.Result;
import io.squeeze.train.LocalTrainer.Score;
import io.squeeze.train.LocalTrainer.Steps;
import io.squeeze.train.ModelState;
import io.squeeze.train.Revival;
import io.squeeze.train.StateAverager;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import scala.Tuple2;

/**
 * Rounds of parameter averaging: every shard starts from the same state, takes its own steps, and
 * the states are averaged, weighted by samples, in a tree whose form depends on the number of
 * shards alone. The driver receives one state, however many shards there are.
 */
final class Averaging {
  /** States that one task adds up. */
  private static final int FAN_IN = 8;

  private final JavaSparkContext context;
  private final Trainer trainer;
  private final Shards shards;

  Averaging(
      SparkSession spark,
      SqueezeModel model,
      Batch.Layout layout,
      Settings settings,
      Shards shards) {
    this.context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    this.trainer = new Trainer(model, layout, settings);
    this.shards = shards;
  }

  /** Makes the local trainer of a task. */
  private record Trainer(SqueezeModel model, Batch.Layout layout, Settings settings)
      implements Serializable {
    LocalTrainer start() {
      Device device = Tasks.start();
      return new LocalTrainer(model, layout, settings.train(), settings.seed(), device);
    }
  }

  /** A part of a round, on its way up the tree. */
  private record Part(
      StateAverager.Sum sum,
      long samples,
      double lossSum,
      ConfusionMatrix confusion,
      CodebookHealth health,
      List<List<Keyed>> candidates)
      implements Serializable {

    static Part of(Result result) {
      return new Part(
          StateAverager.of(result.state(), result.samples()),
          result.samples(),
          result.lossSum(),
          result.confusion(),
          result.health(),
          result.candidates());
    }

    /** Adds parts from left to right. */
    static Part add(List<Part> parts) {
      long samples = 0;
      double lossSum = 0;
      ConfusionMatrix confusion = ConfusionMatrix.empty(parts.get(0).confusion().classes());
      CodebookHealth health = null;
      List<List<Keyed>> candidates = List.of();
      for (Part part : parts) {
        samples += part.samples();
        lossSum += part.lossSum();
        confusion = confusion.plus(part.confusion());
        health = health == null ? part.health() : health.plus(part.health());
        candidates = Revival.merged(candidates, part.candidates());
      }
      StateAverager.Sum sum = StateAverager.add(parts.stream().map(Part::sum).toList());
      return new Part(sum, samples, lossSum, confusion, health, candidates);
    }
  }

  /**
   * One pass over all samples, or {@code train.max-batches} of it: as many rounds as that takes.
   */
  Result epoch(ModelState start, int epoch) {
    List<Integer> limits = new ArrayList<>();
    int longest = 0;
    for (int i = 0; i < shards.parts(); i++) {
      limits.add(batches(i));
      longest = Math.max(longest, limits.get(i));
    }
    int frequency = shards.parts() == 1 ? longest : trainer.settings().train().averagingFrequency();
    ModelState state = start;
    long samples = 0;
    double lossSum = 0;
    ConfusionMatrix confusion = ConfusionMatrix.empty(trainer.model().classes());
    CodebookHealth health = CodebookHealth.empty(trainer.model().quantizer().levels());
    for (int from = 0; from < longest; from += frequency) {
      Result round = round(state, epoch, from, from + frequency, limits);
      round = Revival.revive(trainer.model().quantizer(), round);
      state = round.state();
      samples += round.samples();
      lossSum += round.lossSum();
      confusion = confusion.plus(round.confusion());
      health = health.plus(round.health());
    }
    return new Result(state, samples, lossSum, confusion, health, List.of());
  }

  /** Batches of a shard in an epoch; {@code train.max-batches} is spread over the shards. */
  private int batches(int shard) {
    TrainSettings train = trainer.settings().train();
    int all = Math.toIntExact((shards.size(shard) + train.batchSize() - 1) / train.batchSize());
    if (train.maxBatches() == null) {
      return all;
    }
    int most = train.maxBatches();
    return Math.min(all, most / shards.parts() + (shard < most % shards.parts() ? 1 : 0));
  }

  private Result round(ModelState state, int epoch, int from, int to, List<Integer> limits) {
    Broadcast<ModelState> start = context.broadcast(state);
    try {
      // One shard is plain local training: nothing is summed, nothing rounded.
      if (shards.parts() == 1) {
        Steps steps = new Steps(epoch, from, Math.min(to, limits.get(0)));
        return results(start, i -> steps).collect().get(0)._2();
      }
      JavaPairRDD<Integer, Part> parts =
          JavaPairRDD.fromJavaRDD(
              results(start, i -> new Steps(epoch, from, Math.min(to, limits.get(i))))
                  .filter(r -> r._2().samples() > 0)
                  .map(r -> new Tuple2<>(r._1(), Part.of(r._2()))));
      Part all = sumInTree(parts, shards.parts());
      ModelState average = StateAverager.average(all.sum(), trainer.model().quantizer());
      return new Result(
          average, all.samples(), all.lossSum(), all.confusion(), all.health(), all.candidates());
    } finally {
      start.destroy();
    }
  }

  private interface StepsOfShard extends Serializable {
    Steps of(int shard);
  }

  private JavaRDD<Tuple2<Integer, Result>> results(
      Broadcast<ModelState> start, StepsOfShard steps) {
    Trainer local = trainer;
    return shards
        .ids()
        .zipPartitions(
            shards.examples(),
            (ids, rows) -> {
              Ids group = ids.next();
              return trained(local, start, group, rows, steps.of(group.group()));
            });
  }

  private static Iterator<Tuple2<Integer, Result>> trained(
      Trainer trainer,
      Broadcast<ModelState> start,
      Ids shard,
      Iterator<Example> rows,
      Steps steps) {
    try {
      Result result = trainer.start().train(start.value(), shard.ids(), rows, steps);
      return List.of(new Tuple2<>(shard.group(), result)).iterator();
    } catch (SqueezeException e) {
      throw e.category() == SqueezeException.Category.TRAINING
          ? SqueezeException.training("Shard " + shard.group() + ": " + e.getMessage())
          : e;
    }
  }

  private static Part sumInTree(JavaPairRDD<Integer, Part> parts, int width) {
    JavaPairRDD<Integer, Part> level = parts;
    int left = width;
    while (left > 1) {
      int groups = (left + FAN_IN - 1) / FAN_IN;
      level =
          level
              .mapToPair(p -> new Tuple2<>(p._1() / FAN_IN, p))
              .groupByKey(groups)
              .mapValues(Averaging::inOrder);
      left = groups;
    }
    return level.collect().get(0)._2();
  }

  private static Part inOrder(Iterable<Tuple2<Integer, Part>> parts) {
    List<Tuple2<Integer, Part>> ordered = new ArrayList<>();
    parts.forEach(ordered::add);
    ordered.sort(Comparator.comparing(Tuple2::_1));
    return Part.add(ordered.stream().map(Tuple2::_2).toList());
  }

  /** Evaluates a state on held-out samples, summed in the order of their groups. */
  Score evaluate(ModelState state, Shards heldOut) {
    Broadcast<ModelState> start = context.broadcast(state);
    Trainer local = trainer;
    try {
      List<Score> scores =
          heldOut
              .examples()
              .mapPartitions(
                  rows -> List.of(local.start().evaluate(start.value(), list(rows))).iterator())
              .collect();
      long samples = 0;
      double lossSum = 0;
      ConfusionMatrix confusion = ConfusionMatrix.empty(trainer.model().classes());
      CodebookHealth health = CodebookHealth.empty(trainer.model().quantizer().levels());
      for (Score score : scores) {
        samples += score.samples();
        lossSum += score.lossSum();
        confusion = confusion.plus(score.confusion());
        health = health.plus(score.health());
      }
      return new Score(samples, lossSum, confusion, health);
    } finally {
      start.destroy();
    }
  }

  private static List<Example> list(Iterator<Example> rows) {
    List<Example> list = new ArrayList<>();
    rows.forEachRemaining(list::add);
    return list;
  }
}
