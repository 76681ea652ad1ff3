package io.squeeze.train;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.OptimizerSettings;
import io.squeeze.config.Seeds;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.TrainSettings;
import io.squeeze.metric.CodebookHealth;
import io.squeeze.metric.ConfusionMatrix;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.quantize.Quantized;
import io.squeeze.segment.ForwardContext;
import io.squeeze.segment.SegmentationLoss.Term;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.segment.SqueezeModel.Loss;
import io.squeeze.segment.SqueezeModel.Output;
import io.squeeze.torch.GradientScope;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Tally.Times;
import io.squeeze.weights.HostTensor;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Trains on the examples of one shard. The same state, examples and seed give the same bytes. */
public final class LocalTrainer {
  private final SqueezeModel model;
  private final Batch.Layout layout;
  private final TrainSettings settings;
  private final OptimizerSettings rates;
  private final long seed;
  private final Device device;

  /** A trainer; call {@link Torch#start} on its thread before. */
  public LocalTrainer(
      SqueezeModel model, Batch.Layout layout, TrainSettings settings, long seed, Device device) {
    this(model, layout, settings, seed, device, 1);
  }

  /** The trainer of one of several shards, whose states are averaged. */
  public LocalTrainer(
      SqueezeModel model,
      Batch.Layout layout,
      TrainSettings settings,
      long seed,
      Device device,
      int shards) {
    this.model = model;
    this.layout = layout;
    this.settings = settings;
    this.rates = settings.optimizer().over(shards);
    this.seed = seed;
    this.device = device;
  }

  /**
   * The steps of an epoch to take: batches from (inclusive) to (exclusive).
   *
   * @param perEpoch steps of the longest shard in an epoch; the schedule of the learning rate uses
   *     them
   */
  public record TrainingSteps(int epoch, int from, int to, int perEpoch) implements Serializable {}

  /**
   * What a few steps gave.
   *
   * @param tally of the samples trained on; their number is the state's weight in an average
   * @param candidates for each codebook, vectors of the last step that dead codes may be put on, in
   *     the order of a draw
   */
  public record Result(ModelState state, Tally tally, List<List<Keyed>> candidates)
      implements Serializable {}

  /**
   * Takes steps from a state. An epoch's order is drawn from seed, epoch and sample id, so it does
   * not matter how the examples arrived.
   *
   * @throws SqueezeException of category training if the loss or a parameter is not finite
   */
  public Result train(ModelState state, List<Example> shard, TrainingSteps steps) {
    return train(state, shard.stream().map(Example::id).toList(), shard.iterator(), steps);
  }

  /**
   * The same on a shard that is read once, in any order: of its examples only those of the steps
   * are held.
   *
   * @param ids of all examples of the shard
   */
  public Result train(
      ModelState state, List<String> ids, Iterator<Example> shard, TrainingSteps steps) {
    long began = System.nanoTime();
    List<Example> order = chosen(ids, shard, steps);
    Tally tally = Tally.empty(model).after(new Times(System.nanoTime() - began, 0, 0, 0, 0));
    List<List<Keyed>> candidates = List.of();
    try (NDManager manager = Torch.manager(device);
        Parameters parameters = new Parameters(manager, state.model());
        Optimizer optimizer =
            new Optimizer(manager, state, model.trained(), settings.optimizer())) {
      parameters.train(model.trained());
      for (int first = 0; first < order.size(); first += settings.batchSize()) {
        List<Example> chosen =
            order.subList(first, Math.min(order.size(), first + settings.batchSize()));
        int batch = steps.from() + first / settings.batchSize();
        double lr = rate(steps, batch);
        try (NDManager scope = manager.newSubManager()) {
          ForwardContext context =
              new ForwardContext(seed, steps.epoch(), chosen.stream().map(Example::id).toList());
          Step step = step(scope, chosen, parameters, optimizer, context, lr);
          checkFinite(step.tally().lossSum(), "loss", steps, batch, lr);
          tally = tally.plus(step.tally());
          if (tally.samples() == order.size()) {
            candidates = Revival.candidates(model.quantizer(), step.quantized(), context);
          }
        }
      }
      // No loss has seen the parameters after the last step, so they are checked here.
      List<NDArray> all = new ArrayList<>(optimizer.arrays());
      model.trained().forEach(name -> all.add(parameters.get(name)));
      boolean finite = all.isEmpty() || NativeKernels.finite(all);
      checkFinite(finite ? 0 : Double.NaN, "state", steps, steps.to() - 1, rate(steps, steps.to()));
      Map<String, HostTensor> tensors = new LinkedHashMap<>(parameters.tensors());
      tensors.putAll(optimizer.tensors());
      return new Result(new ModelState(tensors), tally, candidates);
    }
  }

  private double rate(TrainingSteps steps, int batch) {
    long step = (long) steps.epoch() * steps.perEpoch() + batch;
    return rates.rate(step, steps.perEpoch(), settings.epochs());
  }

  private static void checkFinite(
      double value, String what, TrainingSteps steps, int batch, double lr) {
    if (!Double.isFinite(value)) {
      throw SqueezeException.training(
          ("The %s of epoch %s, batch %s is not finite; lower train.lr (here %s), set "
                  + "train.clip-norm, or look for features that are not finite")
              .formatted(what, steps.epoch() + 1, batch + 1, lr));
    }
  }

  private record Step(Tally tally, Quantized quantized) {}

  private Step step(
      NDManager scope,
      List<Example> examples,
      Parameters parameters,
      Optimizer optimizer,
      ForwardContext context,
      double lr) {
    long began = System.nanoTime();
    Batch batch = Batch.of(scope, examples, layout);
    long read = System.nanoTime();
    Output output;
    Loss loss;
    long forward;
    long backward;
    List<NDArray> leaves = model.trained().stream().map(parameters::get).toList();
    try (GradientScope gradients = new GradientScope()) {
      ForwardContext drawn = settings.frozenBatchNorm() ? context.frozen() : context;
      output = model.forward(batch.features(), batch.mask(), parameters, drawn);
      loss = model.loss(output, batch.mask());
      forward = System.nanoTime();
      gradients.backward(loss.total());
      backward = System.nanoTime();
      List<NDArray> gathered = leaves.stream().map(gradients::gradient).toList();
      gathered.forEach(gradient -> gradient.attach(scope));
      optimizer.step(leaves, gathered, lr);
      leaves.forEach(gradients::reset);
    }
    model.quantizer().update(output.quantized(), parameters);
    long update = System.nanoTime();
    Tally tally = tally(output, loss, batch.mask(), examples.size());
    Times times =
        new Times(
            read - began,
            forward - read,
            backward - forward,
            update - backward,
            System.nanoTime() - update);
    return new Step(tally.after(times), output.quantized());
  }

  private Tally tally(Output output, Loss loss, NDArray mask, int samples) {
    Map<String, Double> terms = new HashMap<>();
    double segmentation = 0;
    for (Term term : loss.terms()) {
      double value = term.value().getFloat() * (double) samples;
      terms.put(term.name(), value);
      segmentation += term.weight() * value;
    }
    float[] losses = Torch.tensor(output.quantized().losses()).floats();
    CodebookHealth health =
        CodebookHealth.empty(model.quantizer().codebookSizes())
            .plus(output.quantized().codeValues(), losses, samples);
    return new Tally(
        samples,
        loss.total().getFloat() * (double) samples,
        segmentation,
        terms,
        confusion(output, mask),
        health,
        Times.NONE);
  }

  /** Evaluates a state, in the order of the ids. */
  public Tally evaluate(ModelState state, List<Example> examples) {
    List<Example> order = new ArrayList<>(examples);
    order.sort(Comparator.comparing(Example::id));
    Tally tally = Tally.empty(model);
    try (NDManager manager = Torch.manager(device);
        Parameters parameters = new Parameters(manager, state.model())) {
      for (int i = 0; i < order.size(); i += settings.batchSize()) {
        List<Example> chosen = order.subList(i, Math.min(order.size(), i + settings.batchSize()));
        try (NDManager scope = manager.newSubManager()) {
          Batch batch = Batch.of(scope, chosen, layout);
          Output output =
              model.forward(batch.features(), batch.mask(), parameters, ForwardContext.VALIDATION);
          Loss loss = model.loss(output, batch.mask());
          tally = tally.plus(tally(output, loss, batch.mask(), chosen.size()));
        }
      }
    }
    return tally;
  }

  private ConfusionMatrix confusion(Output output, NDArray mask) {
    int classes = model.classes();
    if (classes == 0) {
      return ConfusionMatrix.empty(0);
    }
    NDArray counts = NativeKernels.confusion(output.prediction(), mask, classes);
    return new ConfusionMatrix(classes, counts.reshape(new Shape(-1)).toLongArray());
  }

  /** The examples of the steps, in the epoch's order. */
  private List<Example> chosen(List<String> ids, Iterator<Example> shard, TrainingSteps steps) {
    record Placed(long place, String id) {}
    int size = settings.batchSize();
    List<String> order =
        ids.stream()
            .map(id -> new Placed(Seeds.hash(seed, "epoch " + steps.epoch(), id), id))
            .sorted(Comparator.comparingLong(Placed::place).thenComparing(Placed::id))
            .map(Placed::id)
            .skip((long) steps.from() * size)
            .limit((long) Math.max(0, steps.to() - steps.from()) * size)
            .toList();
    Set<String> wanted = new HashSet<>(order);
    Map<String, Example> found = new HashMap<>();
    while (shard.hasNext() && found.size() < wanted.size()) {
      Example example = shard.next();
      if (wanted.contains(example.id())) {
        found.put(example.id(), example);
      }
    }
    return order.stream().map(found::get).toList();
  }
}
