package io.squeeze.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.SqueezeException.Category;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SettingsTest {

  @Test
  void theDefaultsAreTheReferences() {
    Settings settings = Settings.defaults();
    assertThat(settings.quantizer().codebookSize()).isNull();
    assertThat(settings.quantizer().codebook().initSamples(512)).isEqualTo(131_072);
    assertThat(settings.quantizer().lossWeight()).isEqualTo(0.1);
    assertThat(settings.train().optimizer().lr()).isEqualTo(1e-4);
    assertThat(settings.json()).contains("\"lr\":1.0E-4");
    Settings linear = settings.with("train.head", "linear");
    assertThat(linear.train().optimizer().lr()).isEqualTo(1e-3);
    assertThat(linear.with("train.lr", "0.02").train().optimizer().lr()).isEqualTo(0.02);
    assertThat(settings.train().epochs()).isEqualTo(10);
    assertThat(settings.embeddingsPath()).isEqualTo("./outputs/embeddings/oxford_pet_vit");
  }

  @Test
  void allProblemsAreReportedTogether() {
    assertThatThrownBy(
            () ->
                Settings.load(
                    List.of(
                        ConfigFactory.parseString(
                            "quantizer.codebook-size = 1, train.optimiser = sgd, train.lrr = 2"),
                        ConfigFactory.parseMap(Map.of("train.epochs", "many")))))
        .isInstanceOfSatisfying(
            SqueezeException.class, e -> assertThat(e.category()).isEqualTo(Category.CONFIGURATION))
        .hasMessageContainingAll(
            "Invalid configuration (4 problems):",
            "quantizer.codebook-size: 1 is not in [2, 16777216]",
            "train.optimiser: unknown key",
            "train.lrr: unknown key, did you mean train.lr?",
            "train.epochs: cannot read many as a value");
  }

  @Test
  void laterOverlaysWinWithOrWithoutTheRoot() {
    Settings settings =
        Settings.load(
            List.of(
                ConfigFactory.parseString("squeeze.train.lr = 1e-3, train.epochs = 3"),
                ConfigFactory.parseMap(Map.of("train.lr", "0.5"))));
    assertThat(settings.train().optimizer().lr()).isEqualTo(0.5);
    assertThat(settings.train().epochs()).isEqualTo(3);
  }

  @Test
  void aSavedConfigurationReadsBackAndDifferencesAreNamed() {
    Settings settings = Settings.load(List.of(ConfigFactory.parseString("seed = 7")));
    assertThat(Settings.parse(settings.json(), "config.json"))
        .usingRecursiveComparison()
        .ignoringFields("given")
        .isEqualTo(settings);
    Settings written = Settings.load(List.of(ConfigFactory.parseMap(Map.of("train.lr", "1e-4"))));
    assertThat(Settings.differences(Settings.defaults().trainingJson(), written.trainingJson()))
        .isEmpty();
    assertThat(Settings.differences(Settings.defaults().trainingJson(), settings.trainingJson()))
        .containsExactly("seed: is 42, asked for 7");
    Settings elsewhere =
        Settings.load(List.of(ConfigFactory.parseString("output.dir = /elsewhere, seed = 7")));
    assertThat(elsewhere.trainingJson()).isEqualTo(settings.trainingJson());
  }

  @Test
  void shardsComeFromTheData() {
    TrainSettings train = Settings.defaults().train();
    assertThat(train.shards(156, 200_000)).isEqualTo(1);
    assertThat(train.shards(20_480, 1)).isEqualTo(10);
    assertThat(train.shards(1000, 6_400_000)).isEqualTo(12);
  }

  @Test
  void aBackbonesDescriptionStandsBelowWhatTheUserGives() {
    Settings given = Settings.load(List.of(ConfigFactory.parseString("image.size = 196")));
    Settings settings =
        given.over(
            """
            {"size": 224, "resize": 256, "crop": "squash", "mean": [0.5, 0.5, 0.5],
             "layout": "tokens", "prefix_tokens": 5}
            """,
            "dino.json");
    assertThat(settings.image().size()).isEqualTo(196);
    assertThat(settings.image().resize()).isEqualTo(256);
    assertThat(settings.image().squash()).isTrue();
    assertThat(settings.image().mean()).containsExactly(0.5, 0.5, 0.5);
    assertThat(settings.backbone().layout()).isEqualTo(BackboneSettings.Layout.TOKENS);
    assertThat(settings.backbone().prefixTokens()).isEqualTo(5);
    assertThatThrownBy(() -> given.over("{\"sise\": 224}", "dino.json"))
        .hasMessage(
            "dino.json holds sise; it may hold [crop, layout, mean, prefix_tokens, resize, size,"
                + " std, stride, windows]");
    assertThatThrownBy(() -> given.over("{\"resize\": 100}", "dino.json"))
        .hasMessageContaining("image.resize: 100 is less than image.size, which is 196");
    assertThat(given.over("{\"windows\": 98}", "dino.json").image().windows())
        .isEqualTo(new ImageSettings.Windows(98, 65));
    // Other sources may give the rest: what fits is asked of all of them together.
    assertWindows(given.with("image.stride", "32"), "set image.windows (--windows), too");
    assertWindows(
        given.with("image.windows", "224"), "is 224, more than image.size (--image_size)");
    assertWindows(
        given.over("{\"windows\": 98, \"stride\": 99}", "dino.json"),
        "is 99, more than image.windows (--windows), which is 98");
    given.with("image.stride", "32").over("{\"windows\": 98}", "dino.json").image().checkWindows();
  }

  private static void assertWindows(Settings settings, String why) {
    assertThatThrownBy(() -> settings.image().checkWindows())
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining(why);
  }

  @Test
  void aBetterMetricIsHigherOrOfALossLowerAndNaNIsNeverBetter() {
    StopSettings iou = Settings.defaults().train().stop();
    assertThat(iou.better(0.5, 0.4)).isTrue();
    assertThat(iou.better(0.4, 0.4)).isFalse();
    assertThat(iou.better(Double.NaN, 0.4)).isFalse();
    assertThat(iou.better(0.1, Double.NaN)).isTrue();
    StopSettings loss = Settings.defaults().with("train.monitor", "val/loss").train().stop();
    assertThat(loss.better(0.3, 0.4)).isTrue();
    assertThat(loss.better(Double.NaN, loss.worst())).isFalse();
  }
}
