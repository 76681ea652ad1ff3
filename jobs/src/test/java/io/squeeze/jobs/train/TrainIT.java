package io.squeeze.jobs.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.SqueezeException.Category;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.quantize.Quantizer;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.storage.Storage;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Example;
import io.squeeze.train.LocalTrainer;
import io.squeeze.train.LocalTrainer.TrainingSteps;
import io.squeeze.train.ModelState;
import io.squeeze.weights.HostTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
class TrainIT {
  @TempDir static Path folder;
  private static Fixture fixture;
  private static SparkSession spark;
  private static Published embeddings;

  @BeforeAll
  static void extract() throws IOException {
    fixture = new Fixture(folder, 60);
    spark = Shared.session();
    embeddings = new ExtractJob(Fixture.squeeze(spark), fixture.settings("e", "")).run();
  }

  @Test
  void oneShardIsPlainLocalTraining() throws IOException {
    Settings settings =
        fixture.settings(
            "e", "quantizer.type = none, train.shards = 1, output.experiment-name = local");
    String last = TrainJob.run(Fixture.squeeze(spark), settings);

    List<Example> examples = new ArrayList<>();
    for (Row row :
        new SplitAssigner(Fixture.squeeze(spark), embeddings, settings.data())
            .rows(SplitAssigner.TRAIN)
            .collectAsList()) {
      examples.add(new Example(row.getAs("sample_id"), row.getAs("embedding"), row.getAs("mask")));
    }
    assertThat(examples).hasSize(34);
    Manifest manifest = embeddings.manifest();
    Batch.Layout layout =
        new Batch.Layout(manifest.channels(), manifest.gridHeight(), manifest.gridWidth(), 224);
    SqueezeModel model = new SqueezeModel(settings, manifest.channels(), 3);
    Torch.start(1);
    LocalTrainer trainer =
        new LocalTrainer(model, layout, settings.train(), settings.seed(), Device.cpu());
    ModelState state =
        ModelState.start(model, settings.train().optimizer(), model.initial(settings.seed()));
    for (int epoch = 0; epoch < 2; epoch++) {
      state = trainer.train(state, examples, new TrainingSteps(epoch, 0, 99, 9)).state();
    }
    ModelState trained = Checkpoint.read(Storage.local(), last).state();
    for (String name : state.tensors().keySet()) {
      assertThat(trained.tensors().get(name).bytes())
          .as(name)
          .isEqualTo(state.tensors().get(name).bytes());
    }
  }

  @Test
  void trainingBeginsOnPrincipalComponentsUnlessItIsToldNotTo() throws IOException {
    assertThat(skew("principal, quantizer.bottleneck-dim = 8")).isLessThan(1e-3);
    assertThat(skew("random, quantizer.bottleneck-dim = 8")).isGreaterThan(0.1);
    // There are not as many components.
    assertThat(skew("principal, quantizer.bottleneck-dim = 30")).isGreaterThan(0.1);
  }

  /** How far the rows of the first projection are from being orthonormal. */
  private static double skew(String start) throws IOException {
    String name = "start" + start.replaceAll("\\W", "");
    Settings settings =
        fixture.settings(
            "e",
            "train.epochs = 1, train.lr = 1e-12, quantizer.codebook-size = 8,"
                + "output.experiment-name = %s, quantizer.projection-start = %s"
                    .formatted(name, start));
    HostTensor in =
        Checkpoint.read(Storage.local(), TrainJob.run(Fixture.squeeze(spark), settings))
            .state()
            .tensors()
            .get(Quantizer.PROJECT_IN);
    float[] rows = in.floats();
    int width = (int) in.shape()[1];
    double most = 0;
    for (int i = 0; i < rows.length / width; i++) {
      for (int k = 0; k <= i; k++) {
        double dot = 0;
        for (int j = 0; j < width; j++) {
          dot += (double) rows[i * width + j] * rows[k * width + j];
        }
        most = Math.max(most, Math.abs(dot - (i == k ? 1 : 0)));
      }
    }
    return most;
  }

  @Test
  void cutsHaveTheSizesThatTheirBreedsAskFor() throws IOException {
    SplitAssigner all =
        new SplitAssigner(Fixture.squeeze(spark), embeddings, fixture.settings("e", "").data());
    assertThat(all.rows("trainval").count()).isEqualTo(42);
    assertThat(all.rows("val").count()).isEqualTo(8);
    assertThat(all.rows("train").count()).isEqualTo(34);
    assertThat(all.rows("val").join(all.rows("train"), "sample_id").count()).isZero();
    assertThat(all.rows("val").groupBy("breed").count().where("count > 2").count()).isZero();
    SplitAssigner some =
        new SplitAssigner(
            Fixture.squeeze(spark),
            embeddings,
            fixture.settings("e", "data.subset-size = 12").data());
    assertThat(some.rows("trainval").groupBy("breed").count().where("count = 2").count())
        .isEqualTo(6);
    assertThat(some.rows("test").count()).isEqualTo(12);
    assertThat(some.rows("train").count()).isEqualTo(10);
    SplitAssigner more =
        new SplitAssigner(
            Fixture.squeeze(spark),
            embeddings,
            fixture.settings("e", "data.subset-size = 500").data());
    assertThat(more.rows("trainval").count()).isEqualTo(42);
    SplitAssigner listed =
        new SplitAssigner(
            Fixture.squeeze(spark),
            embeddings,
            fixture.settings("e", "data.cut = reference").data());
    List<String> lines = Files.readAllLines(fixture.photos().resolve("annotations/trainval.txt"));
    List<String> order = lines.stream().map(line -> line.split(" ", -1)[0]).toList();
    assertThat(ids(listed.rows("train"))).isEqualTo(order.subList(0, 33));
    assertThat(ids(listed.rows("val"))).isEqualTo(order.subList(33, 42));
    SplitAssigner few =
        new SplitAssigner(
            Fixture.squeeze(spark),
            embeddings,
            fixture.settings("e", "data.cut = reference, data.subset-size = 12").data());
    assertThat(ids(few.rows("train"))).isEqualTo(order.subList(0, 9));
    assertThat(ids(few.rows("val"))).isEqualTo(order.subList(9, 12));
    assertThatThrownBy(() -> all.rows("validation"))
        .hasMessageContaining("No split validation: there are train, val, trainval, test");
  }

  private static List<String> ids(Dataset<Row> rows) {
    return rows.orderBy(SplitAssigner.POSITION)
        .select("sample_id")
        .as(Encoders.STRING())
        .collectAsList();
  }

  @Test
  void shardsWithoutSamplesWeighNothing() throws IOException {
    Settings settings =
        fixture.settings(
            "e",
            "train.shards = 64, data.subset-size = 6, data.val-fraction = 0, "
                + "output.experiment-name = few");
    Path last = Path.of(TrainJob.run(Fixture.squeeze(spark), settings));
    AveragingTest.assertFinite(Checkpoint.read(Storage.local(), last.toString()).state());
  }

  @Test
  void aFinishedRunIsFoundAndAnotherIsRefused() throws IOException {
    String name = "output.experiment-name = again, train.shards = 2";
    Path last = Path.of(TrainJob.run(Fixture.squeeze(spark), fixture.settings("e", name)));
    var written = Files.getLastModifiedTime(last);
    TrainJob.run(Fixture.squeeze(spark), fixture.settings("e", name));
    assertThat(Files.getLastModifiedTime(last)).isEqualTo(written);

    assertThatThrownBy(
            () ->
                TrainJob.run(
                    Fixture.squeeze(spark), fixture.settings("e", name + ", train.lr = 9")))
        .isInstanceOfSatisfying(
            SqueezeException.class, e -> assertThat(e.category()).isEqualTo(Category.CONFIGURATION))
        .hasMessageContaining("train.lr: is 0.001, asked for 9");

    new ExtractJob(Fixture.squeeze(spark), fixture.settings("again", "")).run();
    assertThatThrownBy(() -> TrainJob.run(Fixture.squeeze(spark), fixture.settings("again", name)))
        .hasMessageContaining("embeddings: is ")
        .hasMessageContaining("again/v1");
  }

  @Test
  void whatIsLeftOfARunIsGoneOnWithToTheSameBytes() throws IOException {
    String more = "train.epochs = 3, train.shards = 2, output.experiment-name = left";
    Settings settings = fixture.settings("e", more);
    Path last = Path.of(TrainJob.run(Fixture.squeeze(spark), settings));
    Path run = last.getParent();
    Map<String, byte[]> whole = contents(run);
    assertThat(whole.keySet())
        .containsExactly(
            "best.ckpt", "checkpoints/epoch_0001.ckpt", "checkpoints/epoch_0002.ckpt", "last.ckpt");
    byte[] bytes = whole.get("last.ckpt");

    // Killed between two moves, while writing, and with a newest one that is damaged.
    Files.move(last, run.resolve("checkpoints/epoch_0003.ckpt"));
    Files.writeString(run.resolve("_last.ckpt.part"), "half");
    TrainJob.run(Fixture.squeeze(spark), settings);
    assertThat(contents(run)).containsAllEntriesOf(whole);
    for (int length : List.of(0, 100, bytes.length / 2, bytes.length - 1)) {
      Files.write(last, Arrays.copyOf(bytes, length));
      TrainJob.run(Fixture.squeeze(spark), settings);
      assertThat(contents(run)).containsAllEntriesOf(whole);
    }
    Files.write(last, Arrays.copyOf(bytes, 100));
    Files.delete(run.resolve("checkpoints/epoch_0002.ckpt"));
    TrainJob.run(Fixture.squeeze(spark), settings);
    assertThat(contents(run)).containsAllEntriesOf(whole);
    List<String> epochs = new ArrayList<>();
    for (String line : Files.readAllLines(run.resolve("metrics.jsonl"))) {
      epochs.add(line.replaceAll(".*\"epoch\":([0-9]+).*", "$1"));
    }
    assertThat(epochs).containsExactly("1", "2", "3");

    for (String name : List.of("last.ckpt", "checkpoints/epoch_0001.ckpt")) {
      Files.write(run.resolve(name), Arrays.copyOf(bytes, 100));
    }
    Files.delete(run.resolve("checkpoints/epoch_0002.ckpt"));
    assertThatThrownBy(() -> TrainJob.run(Fixture.squeeze(spark), settings))
        .hasMessageContaining("no earlier one can be read: --restart begins again");
    assertThatThrownBy(
            () ->
                new EvaluateJob(
                    Fixture.squeeze(spark), EvaluateJob.Request.of(last.toString(), "test")))
        .hasMessageContaining("Invalid safetensors file");
    TrainJob.run(Fixture.squeeze(spark), fixture.settings("e", more + ", train.resume = false"));
    assertThat(contents(run)).containsExactlyInAnyOrderEntriesOf(whole);
  }

  private static Map<String, byte[]> contents(Path run) throws IOException {
    Map<String, byte[]> contents = new TreeMap<>();
    try (Stream<Path> files = Files.walk(run)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".ckpt")).toList()) {
        contents.put(run.relativize(file).toString(), Files.readAllBytes(file));
      }
    }
    return contents;
  }

  @Test
  void trainingStopsWhereNothingGetsBetterAndIsFinishedThen() throws IOException {
    Settings settings =
        fixture.settings(
            "e",
            "train.epochs = 9, train.lr = 0, train.patience = 2, quantizer.type = none,"
                + " train.batch-norm = frozen, output.experiment-name = stop");
    Path last = Path.of(TrainJob.run(Fixture.squeeze(spark), settings));
    Checkpoint checkpoint = Checkpoint.read(Storage.local(), last.toString());
    assertThat(checkpoint.epoch()).isEqualTo(3);
    assertThat(checkpoint.progress().finished()).isTrue();
    assertThat(checkpoint.progress().bestEpoch()).isEqualTo(1);
    var written = Files.getLastModifiedTime(last);
    TrainJob.run(Fixture.squeeze(spark), settings);
    assertThat(Files.getLastModifiedTime(last)).isEqualTo(written);
    assertThat(Files.readString(last.resolveSibling("metrics.jsonl")))
        .contains("\"val/iou/pet\":", "\"val/f1/border\":", "\"train/ce\":", "\"time/read\":");
  }

  @Test
  void aLossThatIsNotFiniteNamesTheShard() throws IOException {
    Settings settings =
        fixture.settings(
            "e",
            "quantizer.loss-weight = 1000000, quantizer.commitment = 1000000, train.lr = 1000,"
                + " train.epochs = 20, train.shards = 2, output.experiment-name = nan");
    assertThatThrownBy(() -> TrainJob.run(Fixture.squeeze(spark), settings))
        .satisfies(
            e -> {
              assertThat(SqueezeException.find(e).category()).isEqualTo(Category.TRAINING);
              assertThat(SqueezeException.find(e).getMessage()).startsWith("Shard ");
            });
  }
}
