package io.squeeze.jobs.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.SqueezeException.Category;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.evaluate.Summary;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.spark.Cuts;
import io.squeeze.jobs.spark.Manifest;
import io.squeeze.jobs.spark.Versions.Published;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.storage.Storage;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Example;
import io.squeeze.train.LocalTrainer;
import io.squeeze.train.LocalTrainer.Steps;
import io.squeeze.train.ModelState;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
class TrainIT {
  @TempDir static Path folder;
  private static Fixture fixture;

  @BeforeAll
  static void synthesize() throws IOException {
    fixture = new Fixture(folder, 60);
  }

  /** What a whole run leaves that must not depend on the cluster. */
  private record Trace(List<String> embeddings, byte[] last, byte[] best, String summary) {}

  private static Trace walk(String name, Supplier<SparkSession> start) throws IOException {
    try (SparkSession spark = start.get()) {
      Settings settings =
          fixture.settings("e-" + name, "train.shards = 11, output.experiment-name = " + name);
      Published published = new ExtractJob(spark, settings).run();
      String last = new TrainJob(spark, settings).run();
      Summary summary = new EvaluateJob(spark, last, null, null, "test", null).run();
      return new Trace(
          // The rows, not the files: Parquet's footer lists encodings in an order of the JVM's own.
          published
              .read(spark)
              .selectExpr("sample_id", "sha2(embedding, 256)", "sha2(mask, 256)")
              .orderBy("sample_id")
              .collectAsList()
              .stream()
              .map(Row::mkString)
              .toList(),
          Files.readAllBytes(Path.of(last)),
          Files.readAllBytes(Path.of(last).resolveSibling("best.ckpt")),
          summary.json());
    }
  }

  @Test
  @Tag("cluster")
  void oneSeedIsOneResultOnOneThreadOnTwoAndOnACluster() throws IOException {
    Trace one = walk("one", () -> Fixture.local("local[1]"));
    Trace two = walk("two", () -> Fixture.local("local[2]"));
    Trace cluster = walk("cluster", Fixture::cluster);
    for (Trace other : List.of(two, cluster)) {
      assertThat(other.embeddings()).isEqualTo(one.embeddings());
      assertThat(other.last()).isEqualTo(one.last());
      assertThat(other.best()).isEqualTo(one.best());
    }
    // The bytes that Parquet takes depend on how rows lie in files; all else is the same.
    String stored = "(?m)^.*\"stored\".*$";
    assertThat(two.summary().replaceAll(stored, ""))
        .isEqualTo(one.summary().replaceAll(stored, ""));
    assertThat(cluster.summary().replaceAll(stored, ""))
        .isEqualTo(one.summary().replaceAll(stored, ""));
  }

  @Test
  void oneShardIsPlainLocalTraining() throws IOException {
    try (SparkSession spark = Fixture.local("local[2]")) {
      Settings settings =
          fixture.settings(
              "e-local", "quantizer.type = none, train.shards = 1, output.experiment-name = local");
      Published published = new ExtractJob(spark, settings).run();
      String last = new TrainJob(spark, settings).run();

      List<Example> examples = new ArrayList<>();
      for (Row row : new Cuts(spark, published, settings.data()).rows(Cuts.TRAIN).collectAsList()) {
        examples.add(
            new Example(row.getAs("sample_id"), row.getAs("embedding"), row.getAs("mask")));
      }
      assertThat(examples).hasSize(34);
      Manifest manifest = published.manifest();
      Batch.Layout layout =
          new Batch.Layout(manifest.channels(), manifest.gridHeight(), manifest.gridWidth(), 224);
      SqueezeModel model = new SqueezeModel(settings, manifest.channels(), 3);
      Torch.start(1);
      LocalTrainer trainer =
          new LocalTrainer(model, layout, settings.train(), settings.seed(), Device.cpu());
      ModelState state = ModelState.start(model, model.initial(settings.seed()));
      for (int epoch = 0; epoch < 2; epoch++) {
        state = trainer.train(state, examples, new Steps(epoch, 0, 99)).state();
      }
      ModelState trained = Checkpoint.read(Storage.local(), last).state();
      for (String name : state.tensors().keySet()) {
        assertThat(trained.tensors().get(name).bytes())
            .as(name)
            .isEqualTo(state.tensors().get(name).bytes());
      }
    }
  }

  @Test
  void cutsHaveTheSizesThatTheirBreedsAskFor() throws IOException {
    try (SparkSession spark = Fixture.local("local[2]")) {
      Published published = new ExtractJob(spark, fixture.settings("e-cuts", "")).run();
      Cuts all = new Cuts(spark, published, fixture.settings("e-cuts", "").data());
      assertThat(all.rows("trainval").count()).isEqualTo(42);
      assertThat(all.rows("val").count()).isEqualTo(8);
      assertThat(all.rows("train").count()).isEqualTo(34);
      assertThat(all.rows("val").join(all.rows("train"), "sample_id").count()).isZero();
      assertThat(all.rows("val").groupBy("breed").count().where("count > 2").count()).isZero();
      Cuts some =
          new Cuts(spark, published, fixture.settings("e-cuts", "data.subset-size = 12").data());
      assertThat(some.rows("trainval").groupBy("breed").count().where("count = 2").count())
          .isEqualTo(6);
      assertThat(some.rows("test").count()).isEqualTo(12);
      assertThat(some.rows("train").count()).isEqualTo(10);
      Cuts more =
          new Cuts(spark, published, fixture.settings("e-cuts", "data.subset-size = 500").data());
      assertThat(more.rows("trainval").count()).isEqualTo(42);
      assertThatThrownBy(() -> all.rows("validation"))
          .hasMessageContaining("No split validation: there are train, val, trainval, test");
    }
  }

  @Test
  void aFinishedRunIsFoundAnUnfinishedOneBeginsAgainAnotherIsRefused() throws IOException {
    try (SparkSession spark = Fixture.local("local[2]")) {
      String name = "output.experiment-name = again, train.shards = 2";
      Path last = Path.of(new TrainJob(spark, fixture.settings("e-again", name)).run());
      byte[] whole = Files.readAllBytes(last);
      var written = Files.getLastModifiedTime(last);
      new TrainJob(spark, fixture.settings("e-again", name)).run();
      assertThat(Files.getLastModifiedTime(last)).isEqualTo(written);

      assertThatThrownBy(
              () -> new TrainJob(spark, fixture.settings("e-again", name + ", train.lr = 9")).run())
          .isInstanceOfSatisfying(
              SqueezeException.class,
              e -> assertThat(e.category()).isEqualTo(Category.CONFIGURATION))
          .hasMessageContaining("train.lr: is 0.001, asked for 9");

      new ExtractJob(spark, fixture.settings("e-again-2", "")).run();
      assertThatThrownBy(() -> new TrainJob(spark, fixture.settings("e-again-2", name)).run())
          .hasMessageContaining("embeddings: is ")
          .hasMessageContaining("e-again-2/v1");

      Checkpoint finished = Checkpoint.read(Storage.local(), last.toString());
      try (var out = Files.newOutputStream(last)) {
        new Checkpoint(
                finished.state(),
                finished.config(),
                finished.layout(),
                finished.classNames(),
                finished.palette(),
                finished.backbone(),
                1,
                finished.valIou())
            .write(out);
      }
      Files.writeString(last.resolveSibling("_last.ckpt.part"), "half");
      new TrainJob(spark, fixture.settings("e-again", name)).run();
      assertThat(last).hasBinaryContent(whole);

      Files.write(last, java.util.Arrays.copyOf(whole, whole.length / 2));
      assertThatThrownBy(() -> new EvaluateJob(spark, last.toString(), null, null, "test", null))
          .hasMessageContaining("Invalid safetensors file");
    }
  }

  @Test
  void aLossThatIsNotFiniteNamesTheShard() throws IOException {
    try (SparkSession spark = Fixture.local("local[2]")) {
      Settings settings =
          fixture.settings(
              "e-nan",
              "quantizer.loss-weight = 1000000, quantizer.commitment = 1000000, train.lr = 1000,"
                  + " train.epochs = 20, train.shards = 2, output.experiment-name = nan");
      assertThatThrownBy(() -> new TrainJob(spark, settings).run())
          .satisfies(
              e -> {
                assertThat(SqueezeException.find(e).category()).isEqualTo(Category.TRAINING);
                assertThat(SqueezeException.find(e).getMessage()).startsWith("Shard ");
              });
    }
  }
}
