package io.squeeze.backbone;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.BackboneSettings.Layout;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.Preprocessing;
import io.squeeze.torch.Torch;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Programs that give numbers which look like features, and are none. */
class BackboneProbeTest {
  private static final String GRID =
      "torch.avg_pool2d(x, [8, 8], [8, 8], [0, 0], False, True, None)";

  @TempDir private static Path folder;

  private static Backbone load(String name, String expression, Layout layout) throws IOException {
    Torch.start(1);
    Path file =
        Programs.write(
            folder.resolve(name + ".pt"),
            """
                g = %s
                return %s
            """
                .formatted(GRID, expression));
    Preprocessing preprocessing =
        Preprocessing.from(Settings.defaults().with("image.size", "32").image());
    return TorchScriptBackbone.shared(
        BackboneFile.of(
            name, file, preprocessing, Precision.FP32, new BackboneFile.Output(layout, 0)),
        file,
        Device.cpu());
  }

  @Test
  void aProgramOfManyImagesIsFound() throws IOException {
    Backbone backbone = load("plain", "g", Layout.NCHW);
    assertThat(backbone.grid()).isEqualTo(new Grid(3, 4, 4));
    assertThat(backbone.mostImages()).isEqualTo(Integer.MAX_VALUE);
  }

  @Test
  void aProgramWithAFixedBatchTakesOneImage() throws IOException {
    Backbone backbone = load("fixed", "torch.reshape(g, [1, 3, 4, 4])", Layout.NCHW);
    assertThat(backbone.grid()).isEqualTo(new Grid(3, 4, 4));
    assertThat(backbone.mostImages()).isEqualTo(1);
  }

  @Test
  void channelsThatComeLastAreSuspectedAndTakenWhereTheyAreNamed() throws IOException {
    String last = "torch.permute(g, [0, 2, 3, 1])";
    assertThatThrownBy(() -> load("suspected", last, Layout.NCHW))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("(1, 4, 4, 3), which looks like [B, h, w, C]: set --layout nhwc");
    Backbone named = load("named", last, Layout.NHWC);
    assertThat(named.grid()).isEqualTo(new Grid(3, 4, 4));
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray images = manager.arange(2 * 3 * 32 * 32f).reshape(new Shape(2, 3, 32, 32));
      NDArray features = named.features(images);
      assertThat(features.allClose(load("same", "g", Layout.NCHW).features(images))).isTrue();
    }
  }

  @Test
  void noiseAndImagesThatMixAreRefused() {
    String noise =
        "torch.add(g, torch.rand_like(g, dtype=None, layout=None, device=None, pin_memory=None,"
            + " memory_format=None), alpha=1)";
    assertRefused("noise", noise, "other features for the same image");
    String mixed = "torch.mul(g, torch.mean(g, [0], True, dtype=None))";
    assertRefused("mixed", mixed, "depend on the others in the batch");
    assertRefused("constant", "torch.mul(g, 0)", "the same features for two different images");
    assertRefused("flat", "torch.flatten(g, 1, -1)", "where [B, C, h, w] is expected");
  }

  private static void assertRefused(String name, String expression, String why) {
    assertThatThrownBy(() -> load(name, expression, Layout.NCHW))
        .as(name)
        .isInstanceOf(SqueezeException.class)
        .hasMessageStartingWith("Cannot use ")
        .hasMessageContaining(why);
  }
}
