package io.squeeze.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Settings;
import io.squeeze.golden.Golden;
import io.squeeze.quantize.Quantizer.Mode;
import io.squeeze.torch.GradientScope;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every case of a folder of goldens of vector-quantize-pytorch 1.31.0: {@code -Dsqueeze.goldens}
 * names another folder of the same form. Its README tells what the arrays are.
 */
class QuantizerGoldenTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path FOLDER =
      Path.of(System.getProperty("squeeze.goldens", "src/test/resources/goldens/quantizers"));

  @BeforeAll
  static void startTorch() {
    Torch.start(1);
  }

  static Stream<String> cases() throws IOException {
    return StreamSupport.stream(
            JSON.readTree(FOLDER.resolve("cases.json").toFile()).spliterator(), false)
        .map(c -> c.get("name").asText())
        .filter(name -> Files.exists(FOLDER.resolve(name + ".npz")));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void theLibraryIsReproduced(String name) throws IOException {
    JsonNode found = null;
    for (JsonNode entry : JSON.readTree(FOLDER.resolve("cases.json").toFile())) {
      found = entry.get("name").asText().equals(name) ? entry : found;
    }
    try (NDManager manager = Torch.manager(Device.cpu())) {
      Case run = new Case(found, new Golden(FOLDER, name), manager);
      switch (found.get("kind").asText()) {
        case "vq", "rvq" -> run.steps();
        case "fsq" -> run.finite();
        case "lfq" -> run.lookupFree();
        case "kmeans" -> run.means();
        case "merge" -> run.merge();
        default -> throw new IllegalArgumentException("Unknown kind of golden: " + found);
      }
    }
  }

  /** One case, its options as ours. */
  private static final class Case {
    private final JsonNode spec;
    private final JsonNode options;
    private final Golden golden;
    private final NDManager manager;
    private final boolean residual;
    private final int width;
    private final boolean projected;
    private final QuantizerSettings settings;
    private final Quantizer quantizer;
    private final Map<String, HostTensor> tensors = new LinkedHashMap<>();

    Case(JsonNode spec, Golden golden, NDManager manager) {
      this.spec = spec;
      this.options = spec.path("opts");
      this.golden = golden;
      this.manager = manager;
      String kind = spec.get("kind").asText();
      residual = kind.equals("rvq");
      projected = golden.has("param.project_in.weight");
      settings = settings(kind);
      width = width();
      quantizer = projected ? projected() : core();
      tensors.putAll(quantizer.initial(1));
      for (String side : new String[] {"project_in", "project_out"}) {
        for (String part : new String[] {".weight", ".bias"}) {
          if (projected) {
            tensors.put("quantizer." + side + part, golden.tensor("param." + side + part));
          }
        }
      }
      for (int level = 0; level < quantizer.codebooks().size(); level++) {
        String init = residual ? "init.level" + level + "." : "init.";
        for (String part : new String[] {"embed", "cluster_size", "embed_avg"}) {
          if (golden.has(init + part)) {
            tensors.put(codebook(level) + part, golden.tensor(init + part));
          }
        }
      }
    }

    private int width() {
      if (projected) {
        return (int) golden.shape("param.project_in.weight")[0];
      }
      return options.has("dim") ? options.get("dim").asInt() : spec.path("dim").asInt();
    }

    private QuantizerSettings settings(String kind) {
      Map<String, Object> ours = new HashMap<>();
      ours.put("type", kind.equals("kmeans") || kind.equals("merge") ? "vq" : kind);
      // The library's defaults.
      ours.put("codebook.decay", 0.8);
      ours.put("commitment", 1.0);
      ours.put("lfq.commitment", 0.0);
      ours.put("lfq.diversity-gamma", 1.0);
      boolean rotation = options.path("rotation_trick").asBoolean(true);
      ours.put("gradient", rotation ? "rotation" : "straight-through");
      boolean oddGradient = residual && options.path("quant_grad_frac").asDouble(0) == 0;
      boolean frozen = !spec.path("input_grad").asBoolean(true);
      ours.put("reference-quirks", oddGradient || frozen || kind.equals("lfq"));
      put(ours, "codebook-size", spec.path("k"));
      put(ours, "codebook.decay", spec.path("decay"));
      put(ours, "codebook.kmeans-iterations", spec.path("iters"));
      put(ours, "cosine", spec.path("cosine"));
      put(ours, "lfq.inverse-temperature", spec.path("inv_temperature"));
      put(ours, "codebook-size", options.path("codebook_size"));
      put(ours, "codebook.decay", options.path("decay"));
      put(ours, "codebook.eps", options.path("eps"));
      put(ours, "codebook.kmeans-iterations", options.path("kmeans_iters"));
      put(ours, "cosine", options.path("use_cosine_sim"));
      put(ours, "commitment", options.path("commitment_weight"));
      put(ours, "num-quantizers", options.path("num_quantizers"));
      put(ours, "codebooks", options.path("num_codebooks"));
      put(ours, "fsq.levels", options.path("levels"));
      put(ours, "fsq.symmetric", options.path("preserve_symmetry"));
      put(ours, "lfq.entropy-weight", options.path("entropy_loss_weight"));
      put(ours, "lfq.diversity-gamma", options.path("diversity_gamma"));
      put(ours, "lfq.commitment", options.path("commitment_loss_weight"));
      put(ours, "lfq.spherical", options.path("spherical"));
      put(ours, "lfq.soft-clamp", options.path("soft_clamp_input_value"));
      put(ours, "lfq.codebook-scale", options.path("codebook_scale"));
      put(ours, "rvq.shared-codebook", options.path("shared_codebook"));
      put(ours, "rvq.gradient-fraction", options.path("quant_grad_frac"));
      put(ours, "rvq.dropout", options.path("quantize_dropout"));
      put(ours, "rvq.dropout-from", options.path("quantize_dropout_cutoff_index"));
      put(ours, "rvq.dropout-multiple", options.path("quantize_dropout_multiple_of"));
      return Settings.load(List.of(ConfigFactory.parseMap(ours).atPath("quantizer"))).quantizer();
    }

    private static void put(Map<String, Object> ours, String key, JsonNode value) {
      if (!value.isMissingNode() && !value.isNull()) {
        ours.put(key, JSON.convertValue(value, Object.class));
      }
    }

    private Quantizer core() {
      return switch (settings.type()) {
        case "vq" -> new VectorQuantizer(settings, width);
        case "rvq" -> new ResidualVectorQuantizer(settings, width);
        case "fsq" -> new FiniteScalarQuantizer(settings);
        default -> new LookupFreeQuantizer(settings);
      };
    }

    private Quantizer projected() {
      int channels = (int) golden.shape("param.project_in.weight")[1];
      return new Projected(
          Projection.linear("quantizer.project_in", channels, width),
          core(),
          Projection.linear("quantizer.project_out", width, channels),
          settings.referenceQuirks());
    }

    private String codebook(int level) {
      return residual ? "quantizer.levels." + level + ".codebook." : "quantizer.codebook.";
    }

    private NDArray tokens(String name) {
      long[] shape = golden.shape(name);
      return golden.array(manager, name).reshape(-1, shape[shape.length - 1]);
    }

    void steps() {
      if (!golden.has("init.embed") && !residual) {
        startWithMeans();
      }
      try (Parameters parameters = new Parameters(manager, tensors)) {
        parameters.train(quantizer.trained());
        for (int s = 0; s < spec.get("steps").asInt(); s++) {
          step("step" + s + ".", s, parameters);
        }
        evaluate(parameters);
      }
    }

    /** The first tokens are the first means; the scale of the averages is the batch's. */
    private void startWithMeans() {
      float[] x = golden.floats("step0.z");
      int codes = quantizer.codebookSizes()[0];
      long[] keys = new long[x.length / width];
      VectorBlock points = new VectorBlock(keys, x);
      float[] first = java.util.Arrays.copyOf(x, codes * width);
      KMeans means = new KMeans(settings.codebook().kmeansIterations(), 1);
      KMeans.Result result = means.lloyd(points, first);
      quantizer.codebooks().get(0).start(tensors, result, keys.length);
    }

    private void step(String step, int number, Parameters parameters) {
      NDArray x = tokens(step + "x");
      if (spec.path("input_grad").asBoolean(true)) {
        x.setRequiresGradient(true);
      }
      Quantized out;
      try (GradientScope gradients = new GradientScope()) {
        out = quantized(x, step, number, parameters);
        assertClose(out.vectors(), step + "out", 1e-5);
        NDArray pull = out.vectors().mul(tokens(step + "R")).sum();
        NDArray scale = Torch.scalar(manager, spec.path("grad_scale").asDouble(0.01));
        collectGarbage();
        gradients.backward(pull.mul(scale).add(out.losses().sum()));
      }
      assertCodes(out.codes(), step + "indices");
      assertClose(out.losses(), step + (residual ? "losses" : "loss"), 1e-5);
      if (golden.has(step + "grad.x")) {
        assertClose(x.getGradient(), step + "grad.x", 1e-5);
      }
      double rate = spec.path("sgd_lr").asDouble(0);
      for (String name : quantizer.trained()) {
        NDArray leaf = parameters.get(name);
        assertGradient(leaf.getGradient(), step, name.substring("quantizer.".length()));
        if (rate > 0) {
          leaf.subi(leaf.getGradient().mul((float) rate));
        }
        JniUtils.zeroGrad((PtNDArray) leaf);
      }
      quantizer.update(out, parameters);
      if (options.has("threshold_ema_dead_code")) {
        expire(
            out.searched().get(0), parameters, options.get("threshold_ema_dead_code").asDouble());
      }
      for (int level = 0; level < quantizer.codebooks().size(); level++) {
        for (String part : new String[] {"cluster_size", "embed_avg", "embed"}) {
          String stored = step + (residual ? "level" + level + "." : "") + part;
          if (golden.has(stored)) {
            assertClose(parameters.get(codebook(level) + part), stored, 1e-5);
          }
        }
      }
    }

    private Quantized quantized(NDArray x, String step, int number, Parameters parameters) {
      Mode training = Mode.training(1);
      if (golden.has(step + "mask")) {
        boolean[] counts = golden.booleans(step + "mask");
        return quantizer.quantize(x, manager.create(counts), parameters, training);
      }
      if (spec.has("dropout_seeds")) {
        // What Python's generator drew: the last level that is kept.
        int kept = lastLevel(number) + 1;
        return ((ResidualVectorQuantizer) quantizer).quantize(x, parameters, training, kept);
      }
      return quantizer.quantize(x, parameters, training);
    }

    private int lastLevel(int step) {
      try {
        for (JsonNode entry :
            JSON.readTree(FOLDER.resolve("manifest.json").toFile()).get("cases")) {
          if (entry.get("name").equals(spec.get("name"))) {
            return entry.get("scalars").get("step" + step + ".dropout_last_level").asInt();
          }
        }
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
      throw new IllegalStateException("Not in manifest.json: " + spec.get("name"));
    }

    /** The library's criterion and its sampler of the goldens: the first tokens of the batch. */
    private void expire(NDArray searched, Parameters parameters, double threshold) {
      Map<String, HostTensor> state = new LinkedHashMap<>(parameters.tensors());
      float[] sizes = state.get("quantizer.codebook.cluster_size").floats();
      float[] values = Torch.tensor(searched).floats();
      List<Integer> dead = new ArrayList<>();
      List<float[]> vectors = new ArrayList<>();
      for (int k = 0; k < sizes.length; k++) {
        if (sizes[k] < threshold) {
          int from = dead.size() * width % values.length;
          vectors.add(java.util.Arrays.copyOfRange(values, from, from + width));
          dead.add(k);
        }
      }
      quantizer.codebooks().get(0).revive(state, dead, vectors, threshold);
      state.forEach((name, tensor) -> parameters.set(name, Torch.array(manager, tensor)));
    }

    private void evaluate(Parameters parameters) {
      Quantized out = quantizer.quantize(tokens("eval.x"), parameters, Mode.EVALUATION);
      assertCodes(out.codes(), "eval.indices");
      assertClose(out.vectors(), "eval.out", 1e-5);
      assertThat(out.loss().getFloat()).isZero();
      NDArray decoded = quantizer.decode(out.codes(), parameters);
      assertThat(Torch.tensor(decoded).bytes()).isEqualTo(Torch.tensor(out.vectors()).bytes());
    }

    void finite() {
      plain(1, "");
      try (Parameters parameters = new Parameters(manager, tensors)) {
        NDArray indices = manager.create(golden.longs("indices"));
        NDArray codes = indices.reshape(-1, quantizer.codebookSizes().length);
        assertClose(quantizer.decode(codes, parameters), "indices_to_codes", 1e-5);
      }
      FiniteScalarQuantizer core = (FiniteScalarQuantizer) core();
      if (core.codebookSizes().length == 1) {
        NDArray all =
            manager.create(java.util.stream.LongStream.range(0, core.codebookSizes()[0]).toArray());
        try (Parameters none = new Parameters(manager, Map.of())) {
          assertClose(core.decode(all.expandDims(1), none), "codebook", 1e-5);
        }
      }
    }

    void lookupFree() {
      plain(spec.path("grad_scale").asDouble(0.01), "aux_loss");
      try (Parameters parameters = new Parameters(manager, tensors)) {
        Quantized out = quantizer.quantize(tokens("x"), parameters, Mode.EVALUATION);
        assertCodes(out.codes(), "eval.indices");
        assertClose(out.vectors(), "eval.out", 1e-5);
        assertClose(quantizer.decode(out.codes(), parameters), "indices_to_codes", 1e-5);
        parameters.train(quantizer.trained());
        NDArray x = tokens("x");
        x.setRequiresGradient(true);
        try (GradientScope gradients = new GradientScope()) {
          gradients.backward(quantizer.quantize(x, parameters, Mode.training(1)).loss());
        }
        assertClose(x.getGradient(), "aux.grad.x", 5e-4);
      }
    }

    private void plain(double scale, String loss) {
      try (Parameters parameters = new Parameters(manager, tensors)) {
        parameters.train(quantizer.trained());
        NDArray x = tokens("x");
        x.setRequiresGradient(true);
        Quantized out;
        try (GradientScope gradients = new GradientScope()) {
          out = quantizer.quantize(x, parameters, Mode.training(1));
          NDArray pull = out.vectors().mul(tokens("R")).sum().mul(Torch.scalar(manager, scale));
          collectGarbage();
          gradients.backward(pull.add(out.loss()));
        }
        assertCodes(out.codes(), "indices");
        assertClose(out.vectors(), "out", 1e-5);
        double tolerance = loss.isEmpty() ? 1e-5 : 5e-4;
        if (!loss.isEmpty()) {
          assertClose(out.losses(), loss, 1e-5);
        }
        assertClose(x.getGradient(), "grad.x", tolerance);
        for (String name : quantizer.trained()) {
          String stored = "grad." + name.substring("quantizer.".length());
          assertClose(parameters.get(name).getGradient(), stored, tolerance);
        }
      }
    }

    /**
     * Lloyd's rounds from the first vectors; the library's counts are those before its last move.
     */
    void means() {
      int k = spec.get("k").asInt();
      float[] x = golden.floats("x");
      int d = spec.get("dim").asInt();
      EmaCodebook codebook = quantizerOf(k, d).codebooks().get(0);
      float[] points = settings.cosine() ? unit(x, d) : x;
      VectorBlock block = new VectorBlock(new long[x.length / d], points);
      float[] means = java.util.Arrays.copyOf(points, k * d);
      long[] counts = null;
      for (int round = 0; round < spec.get("iters").asInt(); round++) {
        CodebookStatistics statistics = block.assign(means);
        counts = statistics.counts();
        means = KMeans.moved(statistics, means, settings.cosine());
      }
      assertThat(counts).isEqualTo(golden.longs("bins"));
      assertClose(Torch.floats(manager, new Shape(k, d), filled(means)), "means", 1e-5);
      codebook.start(tensors, new KMeans.Result(means, counts, 0), spec.get("n").asInt());
      for (String part : new String[] {"cluster_size", "embed_avg", "embed"}) {
        NDArray ours = Torch.array(manager, tensors.get("quantizer.codebook." + part));
        assertClose(ours, "after_init." + part, 1e-5);
      }
    }

    private static java.util.function.Consumer<java.nio.FloatBuffer> filled(float[] values) {
      return b -> b.put(values);
    }

    private Quantizer quantizerOf(int k, int d) {
      assertThat(settings.codebookSize()).isEqualTo(k);
      return new VectorQuantizer(settings, d);
    }

    private static float[] unit(float[] x, int d) {
      float[] unit = x.clone();
      for (int i = 0; i < x.length / d; i++) {
        double length = Math.sqrt(KMeans.squared(x, i * d, new float[d], 0, d));
        for (int j = 0; j < d; j++) {
          unit[i * d + j] = (float) (x[i * d + j] / Math.max(length, 1e-6));
        }
      }
      return unit;
    }

    void merge() {
      int k = spec.get("k").asInt();
      int d = spec.get("dim").asInt();
      CodebookStatistics merged = new CodebookStatistics(k, d);
      for (int part = 0; golden.has("part" + part + ".x"); part++) {
        float[] x = golden.floats("part" + part + ".x");
        VectorBlock block = new VectorBlock(new long[x.length / d], x);
        CodebookStatistics own = block.assign(golden.floats("init.embed"));
        assertStatistics(own, "part" + part + ".");
        merged.merge(own);
      }
      assertStatistics(merged, "merged.");
      EmaCodebook codebook = quantizerOf(k, d).codebooks().get(0);
      codebook.update(tensors, merged);
      for (String part : new String[] {"cluster_size", "embed_avg", "embed"}) {
        NDArray ours = Torch.array(manager, tensors.get("quantizer.codebook." + part));
        assertClose(ours, "after." + part, 1e-5);
      }
    }

    private void assertStatistics(CodebookStatistics ours, String name) {
      int d = ours.width();
      double[] sums = golden.doubles(name + "sum");
      assertThat(ours.counts()).isEqualTo(golden.longs(name + "count"));
      for (int c = 0; c < ours.codes(); c++) {
        for (int j = 0; j < d; j++) {
          assertThat(ours.sum(c, j)).isCloseTo(sums[c * d + j], within(1e-12));
        }
      }
    }

    private void assertCodes(NDArray codes, String name) {
      assertThat(codes.reshape(-1).toLongArray()).as(name).isEqualTo(golden.longs(name));
    }

    private void assertGradient(NDArray gradient, String step, String name) {
      if (golden.has(step + "grad." + name)) {
        assertClose(gradient, step + "grad." + name, 1e-5);
      } else {
        assertClose(gradient.sum(new int[] {1}), step + "grad_rowsum." + name, 1e-5);
        assertClose(gradient.sum(new int[] {0}), step + "grad_colsum." + name, 1e-5);
      }
    }

    /** Within a share of the largest value. */
    private void assertClose(NDArray actual, String name, double tolerance) {
      float[] expected = golden.floats(name);
      double largest = 0;
      for (float value : expected) {
        largest = Math.max(largest, Math.abs(value));
      }
      float most = (float) (1e-7 + tolerance * largest);
      assertThat(Torch.tensor(actual).floats()).as(name).containsExactly(expected, within(most));
    }

    /** Nothing that the backward pass needs may lie in memory that Java frees. */
    private static void collectGarbage() {
      System.gc();
      for (int i = 0; i < 2000; i++) {
        java.nio.ByteBuffer.allocateDirect(4).putFloat(0, 1e9f);
      }
    }
  }
}
