package io.squeeze.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.golden.Golden;
import io.squeeze.torch.GradientScope;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class VectorQuantizerTest {

  @BeforeAll
  static void startTorch() {
    Torch.start(1);
  }

  private static QuantizerSettings settings(int codes, int width, double decay) {
    return new QuantizerSettings("vq", codes, width, decay, 1e-5, 0.25, 0.1, 10, 50_000);
  }

  @Test
  void theReferenceProjectsWrapperIsReproduced() {
    Golden golden = new Golden("quantizer_vq");
    VectorQuantizer quantizer = new VectorQuantizer(settings(16, 8, 0.99), 24);
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    for (String side : new String[] {"project_in", "project_out"}) {
      tensors.put("quantizer." + side + ".weight", golden.tensor(side + "_weight"));
      tensors.put("quantizer." + side + ".bias", golden.tensor(side + "_bias"));
    }
    tensors.put("quantizer.codebook.embed", golden.tensor("embed_before", 16, 8));
    tensors.put("quantizer.codebook.cluster_size", HostTensor.full(1, 16));
    tensors.put("quantizer.codebook.embed_avg", golden.tensor("embed_before", 16, 8));
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, tensors)) {
      NDArray features = golden.array(manager, "features");
      Quantized evaluated = quantizer.quantize(features, parameters, false);
      assertThat(evaluated.codes().reshape(-1).toLongArray())
          .isEqualTo(golden.longs("eval_indices"));
      assertClose(evaluated.features(), golden.floats("eval_out"));
      assertThat(evaluated.loss().getFloat()).isZero();
      NDArray decoded = quantizer.decode(evaluated.codes(), 5, 5, parameters);
      assertThat(Torch.tensor(decoded).bytes())
          .isEqualTo(Torch.tensor(evaluated.features()).bytes());

      Quantized trained = quantizer.quantize(features, parameters, true);
      assertThat(trained.loss().getFloat())
          .isCloseTo(golden.floats("train_loss")[0], within(1e-6f));
      quantizer.update(trained, parameters);
      assertClose(
          parameters.get("quantizer.codebook.cluster_size"), golden.floats("cluster_size_after"));
      assertClose(parameters.get("quantizer.codebook.embed_avg"), golden.floats("embed_avg_after"));
      assertClose(
          parameters.get("quantizer.codebook.embed"), golden.floats("embed_after_1_train_step"));
    }
  }

  @Test
  void fiveStepsOfTheReferenceLibraryWithGradientsAreReproduced() {
    Golden golden = new Golden("vq_sgd_32_8_ste");
    VectorQuantizer quantizer = new VectorQuantizer(settings(32, 8, 0.9), 32);
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    for (String name : quantizer.trained()) {
      tensors.put(name, golden.tensor("param." + name.substring("quantizer.".length())));
    }
    for (String name : new String[] {"embed", "cluster_size", "embed_avg"}) {
      tensors.put("quantizer.codebook." + name, golden.tensor("init." + name));
    }
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, tensors)) {
      parameters.train(quantizer.trained());
      for (int step = 0; step < 5; step++) {
        step(golden, "step" + step + ".", quantizer, parameters, manager);
      }
    }
  }

  private static void step(
      Golden golden,
      String step,
      VectorQuantizer quantizer,
      Parameters parameters,
      NDManager manager) {
    // [2, 30, 32] tokens -> [2, 32, 30, 1] features
    NDArray x = golden.array(manager, step + "x").transpose(0, 2, 1).expandDims(3);
    Quantized out;
    try (GradientScope gradients = new GradientScope()) {
      out = quantizer.quantize(x, parameters, true);
      NDArray tokens = out.features().squeeze(3).transpose(0, 2, 1);
      assertClose(tokens, golden.floats(step + "out"));
      NDArray pull =
          tokens.mul(golden.array(manager, step + "R")).sum().mul(Torch.scalar(manager, 0.05));
      collectGarbage();
      gradients.backward(pull.add(out.loss()));
    }
    assertThat(out.codes().reshape(-1).toLongArray()).isEqualTo(golden.longs(step + "indices"));
    assertThat(out.loss().getFloat()).isCloseTo(golden.floats(step + "loss")[0], within(1e-6f));
    for (String name : quantizer.trained()) {
      NDArray leaf = parameters.get(name);
      NDArray gradient = leaf.getGradient();
      assertClose(gradient, golden.floats(step + "grad." + name.substring(10)));
      leaf.subi(gradient.mul(0.05f));
      ai.djl.pytorch.jni.JniUtils.zeroGrad((ai.djl.pytorch.engine.PtNDArray) leaf);
    }
    quantizer.update(out, parameters);
    assertClose(parameters.get("quantizer.codebook.embed"), golden.floats(step + "embed"));
  }

  /** Nothing that the backward pass needs may lie in memory that Java frees. */
  private static void collectGarbage() {
    System.gc();
    for (int i = 0; i < 2000; i++) {
      java.nio.ByteBuffer.allocateDirect(4).putFloat(0, 1e9f);
    }
  }

  @Test
  void aVectorsCodeDoesNotDependOnItsNeighboursInTheBatch() {
    VectorQuantizer quantizer = new VectorQuantizer(settings(512, 64, 0.99), 96);
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, quantizer.initial(1))) {
      float[] values =
          HostTensor.uniform(io.squeeze.config.Seeds.random(3, "x"), 1, 700 * 64).floats();
      NDArray all =
          Torch.floats(manager, new ai.djl.ndarray.types.Shape(700, 64), b -> b.put(values));
      NDArray book = parameters.get("quantizer.codebook.embed");
      long[] together = io.squeeze.torch.NativeKernels.nearest(all, book).toLongArray();
      for (int from = 0; from < 700; from += 7) {
        NDArray part = all.get(new ai.djl.ndarray.index.NDIndex(from + ":" + (from + 7)));
        assertThat(io.squeeze.torch.NativeKernels.nearest(part, book).toLongArray())
            .isEqualTo(Arrays.copyOfRange(together, from, from + 7));
      }
    }
  }

  @Test
  void kMeansSurvivesTheFirstTrainingStep() {
    VectorQuantizer quantizer = new VectorQuantizer(settings(4, 2, 0.99), 2);
    Map<String, HostTensor> tensors = quantizer.initial(1);
    float[] vectors = {0, 0, 0, 1, 10, 0, 10, 1, 0, 10, 1, 10, 10, 10, 11, 10};
    KMeans.Result means = new KMeans(10, 5).run(vectors, 2, 4);
    assertThat(means.counts()).containsOnly(2);
    quantizer.start(tensors, means, 8);
    Map<String, HostTensor> rebuilt = new LinkedHashMap<>(tensors);
    quantizer.rebuild(rebuilt);
    float[] before = tensors.get("quantizer.codebook.embed").floats();
    float[] after = rebuilt.get("quantizer.codebook.embed").floats();
    assertThat(after).containsExactly(before, within(1e-4f));
    assertThat(before).contains(0.5f, 10.5f);
  }

  private static void assertClose(NDArray actual, float[] expected) {
    float largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    Offset<Float> tolerance = within(1e-6f + 1e-5f * largest);
    assertThat(Torch.tensor(actual).floats()).containsExactly(expected, tolerance);
  }
}
