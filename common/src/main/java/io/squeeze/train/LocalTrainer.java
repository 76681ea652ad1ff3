package io.squeeze.train;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.squeeze.config.Seeds;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.TrainSettings;
import io.squeeze.metric.CodebookHealth;
import io.squeeze.metric.ConfusionMatrix;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.quantize.Quantized;
import io.squeeze.segment.Noise;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.segment.SqueezeModel.Output;
import io.squeeze.torch.GradientScope;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
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
  private final long seed;
  private final Device device;

  /** A trainer; call {@link Torch#start} on its thread before. */
  public LocalTrainer(
      SqueezeModel model, Batch.Layout layout, TrainSettings settings, long seed, Device device) {
    this.model = model;
    this.layout = layout;
    this.settings = settings;
    this.seed = seed;
    this.device = device;
  }

  /** The steps of an epoch to take: batches from (inclusive) to (exclusive). */
  public record Steps(int epoch, int from, int to) implements Serializable {}

  /**
   * What a few steps gave.
   *
   * @param samples trained on, the state's weight in an average
   * @param lossSum loss of each sample's batch, summed over samples
   * @param candidates for each codebook, vectors of the last step that dead codes may be put on, in
   *     the order of a draw
   */
  public record Result(
      ModelState state,
      long samples,
      double lossSum,
      ConfusionMatrix confusion,
      CodebookHealth health,
      List<List<Keyed>> candidates)
      implements Serializable {}

  /**
   * Takes steps from a state. An epoch's order is drawn from seed, epoch and sample id, so it does
   * not matter how the examples arrived.
   *
   * @throws SqueezeException of category training if the loss is not finite
   */
  public Result train(ModelState state, List<Example> shard, Steps steps) {
    return train(state, shard.stream().map(Example::id).toList(), shard.iterator(), steps);
  }

  /**
   * The same on a shard that is read once, in any order: of its examples only those of the steps
   * are held.
   *
   * @param ids of all examples of the shard
   */
  public Result train(ModelState state, List<String> ids, Iterator<Example> shard, Steps steps) {
    List<Example> order = chosen(ids, shard, steps);
    long samples = 0;
    double lossSum = 0;
    ConfusionMatrix confusion = ConfusionMatrix.empty(model.classes());
    CodebookHealth health = CodebookHealth.empty(model.quantizer().levels());
    List<List<Keyed>> candidates = List.of();
    try (NDManager manager = Torch.manager(device);
        Parameters parameters = new Parameters(manager, state.model());
        AdamW optimizer = new AdamW(manager, state, model.trained(), settings)) {
      parameters.train(model.trained());
      for (int first = 0; first < order.size(); first += settings.batchSize()) {
        List<Example> chosen =
            order.subList(first, Math.min(order.size(), first + settings.batchSize()));
        try (NDManager scope = manager.newSubManager()) {
          Batch batch = Batch.of(scope, chosen, layout);
          Noise noise = new Noise(seed, steps.epoch(), chosen.stream().map(Example::id).toList());
          Step step = step(scope, batch, parameters, optimizer, noise);
          if (!Double.isFinite(step.loss())) {
            throw SqueezeException.training(
                "The loss of epoch "
                    + (steps.epoch() + 1)
                    + ", batch "
                    + (steps.from() + first / settings.batchSize() + 1)
                    + " is "
                    + step.loss()
                    + "; lower train.lr ("
                    + settings.lr()
                    + ") or look for features that are not finite");
          }
          lossSum += step.loss() * chosen.size();
          confusion = confusion.plus(step.confusion());
          health = health.plus(step.codes(), step.losses(), chosen.size());
          samples += chosen.size();
          if (samples == order.size()) {
            candidates = Revival.candidates(model.quantizer(), step.quantized(), noise);
          }
        }
      }
      Map<String, HostTensor> tensors = new LinkedHashMap<>(parameters.tensors());
      tensors.putAll(optimizer.tensors());
      return new Result(new ModelState(tensors), samples, lossSum, confusion, health, candidates);
    }
  }

  private record Step(double loss, ConfusionMatrix confusion, Quantized quantized) {
    int[] codes() {
      return quantized.codeValues();
    }

    float[] losses() {
      return Torch.tensor(quantized.losses()).floats();
    }
  }

  private Step step(
      NDManager scope, Batch batch, Parameters parameters, AdamW optimizer, Noise noise) {
    Output output;
    NDArray loss;
    try (GradientScope gradients = new GradientScope()) {
      output = model.forward(batch.features(), batch.mask(), parameters, noise);
      loss = model.loss(output, batch.mask());
      gradients.backward(loss);
    }
    double value = loss.getFloat();
    List<NDArray> gathered = new ArrayList<>();
    List<NDArray> leaves = new ArrayList<>();
    for (String name : model.trained()) {
      NDArray leaf = parameters.get(name);
      NDArray gradient = leaf.getGradient();
      gradient.attach(scope);
      leaves.add(leaf);
      gathered.add(gradient);
    }
    optimizer.step(leaves, gathered);
    for (NDArray leaf : leaves) {
      JniUtils.zeroGrad((PtNDArray) leaf);
    }
    model.quantizer().update(output.quantized(), parameters);
    ConfusionMatrix confusion = confusion(output, batch.mask());
    return new Step(value, confusion, output.quantized());
  }

  /** What an evaluation over examples gave; lossSum as in {@link Result}. */
  public record Score(
      long samples, double lossSum, ConfusionMatrix confusion, CodebookHealth health)
      implements Serializable {}

  /** Evaluates a state, in the order of the ids. */
  public Score evaluate(ModelState state, List<Example> examples) {
    List<Example> order = new ArrayList<>(examples);
    order.sort(Comparator.comparing(Example::id));
    double lossSum = 0;
    ConfusionMatrix confusion = ConfusionMatrix.empty(model.classes());
    CodebookHealth health = CodebookHealth.empty(model.quantizer().levels());
    try (NDManager manager = Torch.manager(device);
        Parameters parameters = new Parameters(manager, state.model())) {
      for (int i = 0; i < order.size(); i += settings.batchSize()) {
        List<Example> chosen = order.subList(i, Math.min(order.size(), i + settings.batchSize()));
        try (NDManager scope = manager.newSubManager()) {
          Batch batch = Batch.of(scope, chosen, layout);
          Output output = model.forward(batch.features(), batch.mask(), parameters, Noise.NONE);
          lossSum += model.loss(output, batch.mask()).getFloat() * chosen.size();
          confusion = confusion.plus(confusion(output, batch.mask()));
          int[] codes = output.quantized().codeValues();
          health = health.plus(codes, new float[0], chosen.size());
        }
      }
    }
    return new Score(order.size(), lossSum, confusion, health);
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
  private List<Example> chosen(List<String> ids, Iterator<Example> shard, Steps steps) {
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
