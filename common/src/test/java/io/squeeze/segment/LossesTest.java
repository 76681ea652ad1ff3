package io.squeeze.segment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.LossSettings;
import io.squeeze.config.Settings;
import io.squeeze.golden.Golden;
import io.squeeze.segment.SegmentationLoss.Term;
import io.squeeze.torch.GradientScope;
import io.squeeze.torch.Torch;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LossesTest {
  @BeforeAll
  static void startTorch() {
    Torch.start(1);
  }

  private static SegmentationLoss loss(String type, int classes, List<Float> weights) {
    LossSettings settings =
        Settings.load(
                List.of(
                    ConfigFactory.parseString(
                        "train.loss = \"" + type + "\", train.class-weights = " + weights)))
            .train()
            .loss();
    return LossType.named(type).create(settings, classes);
  }

  private static NDArray total(SegmentationLoss loss, NDArray logits, NDArray target) {
    NDArray total = null;
    for (Term term : loss.terms(logits, target)) {
      NDArray part = term.value().mul(Torch.scalar(logits.getManager(), term.weight()));
      total = total == null ? part : total.add(part);
    }
    return total;
  }

  @ParameterizedTest
  @CsvSource({
    "losses_c3, ce, false, ce, target",
    "losses_c3, ce, true, ce_weighted, target",
    "losses_c3, ce, false, ce_ignore255, target_with_255",
    "losses_c3, dice, false, dice, target",
    "losses_c3, focal, false, focal, target",
    "losses_c3, combined, false, combined, target",
    "losses_c3, combined, true, combined_weighted, target",
    "losses_c4_raw_labels, ce, true, ce_weighted, target",
    "losses_c4_raw_labels, dice, false, dice, target",
    "losses_c4_raw_labels, focal, false, focal, target",
    "losses_c4_raw_labels, combined, true, combined_weighted, target"
  })
  void lossesAndTheirGradientsAreTheReferences(
      String file, String type, boolean weighted, String expected, String target) {
    Golden golden = new Golden(file);
    List<Float> weights = new ArrayList<>();
    if (weighted) {
      for (float weight : golden.floats("class_weights")) {
        weights.add(weight);
      }
    }
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray logits = golden.array(manager, "logits");
      int classes = (int) logits.getShape().get(1);
      logits.setRequiresGradient(true);
      NDArray labels = golden.indices(manager, target);
      NDArray value;
      try (GradientScope gradients = new GradientScope()) {
        value = total(loss(type, classes, weights), logits, labels);
        gradients.backward(value);
      }
      assertThat(value.getFloat()).isCloseTo(golden.floats(expected)[0], within(2e-6f));
      assertThat(Torch.tensor(logits.getGradient()).floats())
          .containsExactly(golden.floats(expected + "_grad"), within(1e-7f));
    }
  }

  @Test
  void partsStandByTheirNamesAndExtremeLogitsStayFinite() {
    Golden golden = new Golden("losses_extreme");
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray logits = golden.array(manager, "logits");
      logits.setRequiresGradient(true);
      try (GradientScope gradients = new GradientScope()) {
        SegmentationLoss combined = loss("combined", 3, List.of());
        List<Term> terms = combined.terms(logits, golden.indices(manager, "target"));
        for (Term term : terms) {
          assertThat(term.value().getFloat())
              .as(term.name())
              .isCloseTo(golden.floats(term.name())[0], within(1e-5f));
        }
        assertThat(terms.stream().map(Term::name).toList()).containsExactly("ce", "dice", "focal");
        NDArray total = total(combined, logits, golden.indices(manager, "target"));
        assertThat(total.getFloat()).isCloseTo(golden.floats("total")[0], within(1e-4f));
        gradients.backward(total);
      }
      assertThat(logits.getGradient().isInfinite().any().getBoolean()).isFalse();
      assertThat(logits.getGradient().isNaN().any().getBoolean()).isFalse();
    }
  }

  /** The reference's dice and focal know no label to ignore: here they must be as without it. */
  @ParameterizedTest
  @ValueSource(strings = {"ce", "dice", "focal", "combined"})
  void pixelsOfLabel255AreAsIfTheyWereNotThere(String type) {
    Golden golden = new Golden("losses_c3");
    SegmentationLoss loss = loss(type, 3, List.of());
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray logits = golden.array(manager, "logits");
      NDArray target = golden.indices(manager, "target_with_255");
      NDList pixels = new NDList();
      NDList labels = new NDList();
      NDArray flat = logits.transpose(0, 2, 3, 1).reshape(-1, 3);
      long[] values = target.reshape(-1).toLongArray();
      for (int i = 0; i < values.length; i++) {
        if (values[i] != 255) {
          pixels.add(flat.get(i));
          labels.add(manager.create(values[i]));
        }
      }
      assertThat(pixels.size()).isLessThan(values.length);
      NDArray kept = ai.djl.ndarray.NDArrays.stack(pixels).transpose().reshape(1, 3, 1, -1);
      NDArray keptLabels = ai.djl.ndarray.NDArrays.stack(labels).reshape(1, 1, -1);
      assertThat(total(loss, logits, target).getFloat())
          .isCloseTo(total(loss, kept, keptLabels).getFloat(), within(1e-6f));
      NDArray none = manager.full(new Shape(2, 12, 12), 255).toType(target.getDataType(), false);
      assertThat(total(loss, logits, none).getFloat()).isFinite();
    }
  }

  @Test
  void whatDoesNotFitIsSaid() {
    assertThatThrownBy(() -> loss("ce", 3, List.of(1f, 2f)))
        .hasMessageContaining("holds 2 weights for 3 classes");
    assertThatThrownBy(() -> loss("dice", 2, List.of(1f, 2f)))
        .hasMessageContaining("are cross entropy's: dice takes none");
    assertThatThrownBy(() -> LossType.named("hinge"))
        .hasMessageContaining("No loss hinge (--loss_type): there are ce, combined, dice, focal");
  }

  @Test
  void aLossOfSomebodyElseIsFoundByItsClass() {
    Golden golden = new Golden("losses_c3");
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray logits = golden.array(manager, "logits");
      logits.setRequiresGradient(true);
      NDArray target = golden.indices(manager, "target_with_255");
      try (GradientScope gradients = new GradientScope()) {
        NDArray value = total(loss("io.squeeze.Tversky", 3, List.of()), logits, target);
        assertThat(value.getFloat()).isBetween(0.2f, 0.9f);
        gradients.backward(value);
      }
      assertThat(logits.getGradient().abs().sum().getFloat()).isPositive();
    }
  }
}
