package io.squeeze.jobs.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.SqueezeException.Category;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.train.Averaging.Epoch;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.train.Batch;
import io.squeeze.train.Example;
import io.squeeze.train.ModelState;
import io.squeeze.train.Tally;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class AveragingTest {
  private static final Batch.Layout LAYOUT = new Batch.Layout(6, 3, 3, 12);
  private static SparkSession spark;

  @BeforeAll
  static void start() {
    spark = Shared.session();
  }

  private static Settings settings(String more) {
    String base =
        "quantizer.codebook-size = 8, quantizer.bottleneck-dim = 4, train.averaging-frequency = 1,"
            + " train.epochs = 1, ";
    return Settings.load(List.of(ConfigFactory.parseString(base + more)));
  }

  private static Example example(int number, Set<Integer> bad) {
    float[] features = new float[54];
    var random = Seeds.random(number, "example");
    for (int i = 0; i < features.length; i++) {
      features[i] = bad.contains(number) ? Float.NaN : (float) random.nextDouble(-1, 1);
    }
    byte[] mask = new byte[144];
    for (int p = 0; p < mask.length; p++) {
      mask[p] = (byte) (p * 3 / mask.length);
    }
    return new Example("sample_" + number, HostTensor.of(features, 54).bytes(), mask);
  }

  /** Four samples a shard; those of these numbers hold NaN. */
  private static Shards shards(int parts, Set<Integer> bad) {
    List<Integer> groups = new ArrayList<>();
    for (int i = 0; i < parts; i++) {
      groups.add(i);
    }
    JavaRDD<Integer> numbers =
        JavaSparkContext.fromSparkContext(spark.sparkContext()).parallelize(groups, parts);
    JavaRDD<Example> examples =
        numbers.flatMap(
            g ->
                List.of(
                        example(4 * g, bad),
                        example(4 * g + 1, bad),
                        example(4 * g + 2, bad),
                        example(4 * g + 3, bad))
                    .iterator());
    JavaRDD<Shards.Ids> ids =
        numbers.map(
            g ->
                new Shards.Ids(
                    g,
                    List.of(
                        "sample_" + 4 * g,
                        "sample_" + (4 * g + 1),
                        "sample_" + (4 * g + 2),
                        "sample_" + (4 * g + 3))));
    return new Shards(examples, ids, 4L * parts, parts, 360);
  }

  private static Epoch epoch(Settings settings, Shards shards) {
    SqueezeModel model = new SqueezeModel(settings, 6, 3);
    ModelState start = ModelState.start(model, settings.train().optimizer(), model.initial(1));
    return new Averaging(Fixture.squeeze(spark), model, LAYOUT, settings, shards).epoch(start, 0);
  }

  @Test
  void aShardThatDivergesFailsTheRoundByNameOrIsLeftOutButNeverAveragedIn() {
    Shards bad = shards(3, Set.of(5));
    assertThatThrownBy(() -> epoch(settings(""), bad))
        .isInstanceOfSatisfying(
            SqueezeException.class, e -> assertThat(e.category()).isEqualTo(Category.TRAINING))
        .hasMessageStartingWith("Shard 1: The loss of epoch 1, batch 1 is not finite");
    Epoch dropped = epoch(settings("train.on-nan = drop"), bad);
    assertThat(dropped.dropped()).isEqualTo(1);
    assertThat(dropped.tally().samples()).isEqualTo(8);
    assertFinite(dropped.state());
    assertThatThrownBy(() -> epoch(settings("train.on-nan = drop"), shards(2, Set.of(1, 6))))
        .hasMessageContaining("so did every other shard");
  }

  static void assertFinite(ModelState state) {
    for (HostTensor tensor : state.model().values()) {
      if (tensor.type() == ElementType.F32) {
        for (float value : tensor.floats()) {
          assertThat(value).isFinite();
        }
      }
    }
  }

  @Test
  void manyHeldOutGroupsAreSummedInATree() {
    Settings settings = settings("");
    SqueezeModel model = new SqueezeModel(settings, 6, 3);
    ModelState state = ModelState.start(model, settings.train().optimizer(), model.initial(1));
    Shards many = shards(70, Set.of());
    Averaging averaging = new Averaging(Fixture.squeeze(spark), model, LAYOUT, settings, many);
    Tally tree = averaging.evaluate(state, many);
    Shards few =
        new Shards(many.examples().coalesce(2), many.ids().coalesce(2), many.count(), 2, 360);
    Tally flat = averaging.evaluate(state, few);
    assertThat(tree.samples()).isEqualTo(280);
    assertThat(tree.confusion().counts()).isEqualTo(flat.confusion().counts());
    assertThat(tree.lossSum()).isCloseTo(flat.lossSum(), within(1e-4));
    assertThat(tree.health().losses()[0]).isPositive();
    assertThat(averaging.evaluate(state, many).lossSum()).isEqualTo(tree.lossSum());
  }
}
