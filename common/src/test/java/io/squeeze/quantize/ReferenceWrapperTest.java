package io.squeeze.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import io.squeeze.golden.Golden;
import io.squeeze.quantize.Quantizer.Mode;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The reference project's four quantizers with their projections, on features [2, 24, 5, 5]. */
class ReferenceWrapperTest {

  @BeforeAll
  static void startTorch() {
    Torch.start(1);
  }

  /** A quantizer with the tensors of a golden, each by the golden's name for ours. */
  private static final class Wrapper implements AutoCloseable {
    final Golden golden;
    final Quantizer quantizer;
    final NDManager manager = Torch.manager(Device.cpu());
    final Map<String, HostTensor> tensors;
    Parameters parameters;

    Wrapper(String type, String options, Map<String, String> names) {
      golden = new Golden("quantizer_" + type);
      String settings =
          "quantizer { type = %s, bottleneck-dim = 8, codebook.decay = 0.99, %s }"
              .formatted(type, options);
      quantizer =
          Quantizer.of(Settings.load(List.of(ConfigFactory.parseString(settings))).quantizer(), 24);
      tensors = new LinkedHashMap<>(quantizer.initial(1));
      names.forEach(
          (ours, theirs) ->
              tensors.put(
                  "quantizer." + ours,
                  golden.tensor(theirs, tensors.get("quantizer." + ours).shape())));
    }

    Quantized quantize(Mode mode) {
      if (parameters == null) {
        parameters = new Parameters(manager, tensors);
      }
      NDArray features = golden.array(manager, "features");
      return quantizer.quantize(SqueezeModel.rows(features), parameters, mode);
    }

    void assertOut(Quantized out, String outName, String indices) {
      NDArray expected = SqueezeModel.rows(golden.array(manager, outName));
      assertClose(out.vectors(), Torch.tensor(expected).floats());
      assertThat(out.codes().reshape(-1).toLongArray()).isEqualTo(golden.longs(indices));
      NDArray decoded = quantizer.decode(out.codes(), parameters);
      assertClose(decoded, Torch.tensor(expected).floats());
    }

    @Override
    public void close() {
      parameters.close();
      manager.close();
    }
  }

  private static Map<String, String> linear(String ours, String theirs) {
    return Map.of(ours + ".weight", theirs + "_weight", ours + ".bias", theirs + "_bias");
  }

  @SafeVarargs
  private static Map<String, String> all(Map<String, String>... parts) {
    Map<String, String> names = new LinkedHashMap<>();
    for (Map<String, String> part : parts) {
      names.putAll(part);
    }
    return names;
  }

  @Test
  void vq() {
    Map<String, String> names =
        all(
            linear("project_in", "project_in"),
            linear("project_out", "project_out"),
            Map.of("codebook.embed", "embed_before", "codebook.embed_avg", "embed_before"));
    try (Wrapper vq = new Wrapper("vq", "codebook-size = 16, gradient = rotation", names)) {
      Quantized evaluated = vq.quantize(Mode.EVALUATION);
      vq.assertOut(evaluated, "eval_out", "eval_indices");
      assertThat(evaluated.loss().getFloat()).isZero();
      Quantized trained = vq.quantize(Mode.training(1));
      vq.assertOut(trained, "train_out", "train_indices");
      assertThat(trained.loss().getFloat())
          .isCloseTo(vq.golden.floats("train_loss")[0], within(1e-6f));
      vq.quantizer.update(trained, vq.parameters);
      for (String part : new String[] {"cluster_size", "embed_avg"}) {
        NDArray ours = vq.parameters.get("quantizer.codebook." + part);
        assertClose(ours, vq.golden.floats(part + "_after"));
      }
      NDArray embed = vq.parameters.get("quantizer.codebook.embed");
      assertClose(embed, vq.golden.floats("embed_after_1_train_step"));
    }
  }

  @Test
  void rvq() {
    String options = "codebook-size = 16, num-quantizers = 3, gradient = rotation";
    try (Wrapper rvq =
        new Wrapper(
            "rvq",
            options,
            all(linear("project_in", "project_in"), linear("project_out", "project_out")))) {
      float[] books = rvq.golden.floats("embed_before");
      for (int level = 0; level < 3; level++) {
        float[] own = Arrays.copyOfRange(books, level * 128, (level + 1) * 128);
        String name = "quantizer.levels." + level + ".codebook.embed";
        rvq.tensors.put(name, HostTensor.of(own, 16, 8));
      }
      rvq.assertOut(rvq.quantize(Mode.EVALUATION), "eval_out", "eval_indices_flat");
      Quantized trained = rvq.quantize(Mode.training(1));
      rvq.assertOut(trained, "train_out", "train_indices_flat");
      assertThat(trained.loss().getFloat())
          .isCloseTo(rvq.golden.floats("train_loss_mean_over_levels")[0], within(1e-6f));
    }
  }

  @Test
  void fsq() {
    Map<String, String> names =
        all(
            linear("project_in", "project_in"),
            linear("project_out", "project_out"),
            linear("levels.project_in", "inner_in"),
            linear("levels.project_out", "inner_out"));
    try (Wrapper fsq = new Wrapper("fsq", "fsq.levels = [8, 5, 5, 5]", names)) {
      fsq.assertOut(fsq.quantize(Mode.EVALUATION), "eval_out", "eval_indices");
    }
  }

  @Test
  void lfq() {
    Map<String, String> names =
        all(
            linear("project_in.0", "p_project_in_0"),
            linear("project_in.1", "p_project_in_1"),
            linear("project_out.0", "p_project_out_0"),
            linear("project_out.1", "p_project_out_1"),
            linear("bits.project_in", "p_lfq_project_in"),
            linear("bits.project_out", "p_lfq_project_out"));
    try (Wrapper lfq = new Wrapper("lfq", "reference-quirks = true", names)) {
      lfq.assertOut(lfq.quantize(Mode.EVALUATION), "eval_out", "eval_indices");
      Quantized trained = lfq.quantize(Mode.training(1));
      lfq.assertOut(trained, "train_out", "train_indices");
      assertThat(trained.loss().getFloat())
          .isCloseTo(lfq.golden.floats("train_loss")[0], within(1e-5f));
    }
  }

  private static void assertClose(NDArray actual, float[] expected) {
    float largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertThat(Torch.tensor(actual).floats())
        .containsExactly(expected, within(1e-6f + 1e-5f * largest));
  }
}
