package io.squeeze.jobs.encode;

import static org.apache.spark.sql.functions.col;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.jobs.train.TrainJob;
import io.squeeze.quantize.Quantized;
import io.squeeze.quantize.Quantizer.Mode;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EncodeIT {
  @TempDir private static Path folder;
  private static SparkSession spark;
  private static HadoopStorage storage;
  private static Published embeddings;
  private static String checkpoint;

  @BeforeAll
  static void train() throws IOException {
    spark = Shared.session();
    storage = Sessions.storage(spark);
    embeddings = Versions.embeddings(storage, Shared.walk().embeddings());
    checkpoint = Shared.walk().copyOfRuns(folder.resolve("outputs"));
  }

  private static Published encode(String name, String codec) throws IOException {
    TrainedQuantizer encoder =
        TrainedQuantizer.open(storage, folder + "/" + name, checkpoint, null);
    return new EncodeJob(Fixture.squeeze(spark), embeddings.path(), encoder, codec).run();
  }

  private static List<Row> rows(Published codes) {
    return codes.read(spark).orderBy("split", "sample_id").collectAsList();
  }

  @Test
  void everyCodecKeepsEveryCodeOnHoweverManyPartitions() throws IOException {
    Published arrays = encode("array", Coding.ARRAY);
    assertThat(arrays.manifest().rows()).isEqualTo(embeddings.manifest().rows());
    assertThat(rows(arrays)).hasSize(36);
    for (String codec : List.of(Coding.PACKED, Coding.ENTROPY)) {
      Published coded = encode(codec, codec);
      assertThat(coded.manifest().coding().codec()).isEqualTo(codec);
      assertThat(rows(coded)).isEqualTo(rows(arrays));
      assertThat(encode(codec, codec).path()).isEqualTo(coded.path());
    }
    spark.conf().set("spark.sql.files.maxPartitionBytes", 1 << 16);
    Published again = encode("again", Coding.ARRAY);
    spark.conf().unset("spark.sql.files.maxPartitionBytes");
    // Row by row as they lie in the files.
    assertThat(again.read(spark).where("split = 'test'").collectAsList())
        .isEqualTo(arrays.read(spark).where("split = 'test'").collectAsList());
    String metrics = Files.readString(folder.resolve("array/metrics/v1.json"));
    assertThat(metrics).contains("\"amortized\"", "\"compression_of_stored\"");
  }

  @Test
  void codesBecomeTheEmbeddingsThatTheQuantizerReconstructs() throws IOException {
    encode("whole", Coding.ENTROPY);
    String codes = folder + "/whole";
    Published bare =
        new DecodeJob(
                Fixture.squeeze(spark),
                new DecodeJob.Request(codes, checkpoint, folder + "/bare", null, null))
            .run();
    Published decoded =
        new DecodeJob(
                Fixture.squeeze(spark),
                new DecodeJob.Request(
                    codes, null, folder + "/decoded", Shared.walk().embeddings(), null))
            .run();
    Dataset<Row> originals = embeddings.read(spark);
    Dataset<Row> reconstructed = decoded.read(spark);
    assertThat(reconstructed.drop("embedding").exceptAll(originals.drop("embedding")).isEmpty())
        .isTrue();
    assertThat(bare.read(spark).where("length(mask) = 0").count()).isEqualTo(36);

    Checkpoint model = Checkpoint.read(storage, checkpoint);
    Tasks.start();
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, model.state().model())) {
      for (Row row : originals.limit(5).collectAsList()) {
        byte[] stored = row.getAs("embedding");
        NDArray features = Batch.features(manager, List.of(stored), model.layout());
        NDArray rows = SqueezeModel.rows(features);
        Quantized out = model.model().quantizer().quantize(rows, parameters, Mode.EVALUATION);
        NDArray decodedGrid =
            Batch.features(
                manager,
                List.of(
                    reconstructed
                        .where(col("sample_id").equalTo(row.<String>getAs("sample_id")))
                        .first()
                        .<byte[]>getAs("embedding")),
                model.layout());
        assertThat(SqueezeModel.rows(decodedGrid).allClose(out.vectors())).isTrue();
      }
    }
    assertThatThrownBy(
            () ->
                new EvaluateJob(
                        Fixture.squeeze(spark),
                        new EvaluateJob.Request(checkpoint, null, bare.path(), "test", null))
                    .score())
        .hasStackTraceContaining("has 0 pixels, not 224 x 224: decode with --masks");
    // What is decoded is used as embeddings are.
    double before =
        new EvaluateJob(Fixture.squeeze(spark), EvaluateJob.Request.of(checkpoint, "test"))
            .score()
            .miou();
    double after =
        new EvaluateJob(
                Fixture.squeeze(spark),
                new EvaluateJob.Request(checkpoint, null, decoded.path(), "test", null))
            .score()
            .miou();
    assertThat(after).isBetween(before - 0.1, before + 0.1);
  }

  @Test
  void foreignCodesAndWrongQuestionsAreRefused() throws IOException {
    encode("foreign", Coding.ARRAY);
    String other =
        TrainJob.run(
            Fixture.squeeze(spark),
            Shared.walk()
                .settings("seed = 7, output.experiment-name = other")
                .with("output.dir", folder.toString()));
    TrainedQuantizer wrong = TrainedQuantizer.open(storage, folder + "/foreign", other, null);
    assertThatThrownBy(
            () ->
                new DecodeJob(
                    Fixture.squeeze(spark),
                    new DecodeJob.Request(wrong.codes(), other, folder + "/never", null, null)))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("was encoded with a checkpoint of SHA-256");
    assertThatThrownBy(
            () ->
                new EncodeJob(Fixture.squeeze(spark), embeddings.path(), wrong, Coding.ARRAY).run())
        .hasMessageContaining("checkpoint.sha256: is ")
        .hasMessageContaining("(--codes)");
    assertThatThrownBy(() -> encode("foreign", "zip"))
        .hasMessageContaining("No codec zip (--codec): there are array, packed, entropy");
    TrainedQuantizer right = TrainedQuantizer.open(storage, folder + "/none", checkpoint, null);
    assertThatThrownBy(
            () -> new EncodeJob(Fixture.squeeze(spark), folder + "/foreign", right, Coding.ARRAY))
        .hasMessageContaining("holds codes, no embeddings (--embeddings)");
    // What is there is never mixed with what is not of its kind, nor put into a version.
    assertThatThrownBy(
            () ->
                new DecodeJob(
                        Fixture.squeeze(spark),
                        new DecodeJob.Request(wrong.codes(), null, wrong.codes(), null, null))
                    .run())
        .hasMessageContaining("holds codes, not embeddings: name another folder (--embeddings)");
    assertThatThrownBy(
            () ->
                new DecodeJob(
                    Fixture.squeeze(spark),
                    new DecodeJob.Request(wrong.codes(), null, folder + "/never", null, 99)))
        .hasMessageContaining("the first 99 of them cannot be decoded (--levels)");
    TrainedQuantizer within =
        TrainedQuantizer.open(storage, folder + "/foreign/v1", checkpoint, null);
    assertThatThrownBy(
            () ->
                new EncodeJob(Fixture.squeeze(spark), embeddings.path(), within, Coding.PACKED)
                    .run())
        .hasMessageContaining("(--codes)");
    assertThat(Versions.codes(storage, folder + "/foreign", "--codes").path()).endsWith("/v1");
    assertThatThrownBy(() -> Versions.codes(storage, folder + "/nowhere", "--codes"))
        .hasMessageContaining("No codes in ");
  }

  @Test
  void damagedCodesAreNeverDecoded() throws IOException {
    Published codes = encode("damaged", Coding.PACKED);
    String one =
        codes.manifest().files().stream()
            .map(DataFile::path)
            .filter(path -> path.startsWith("codes/"))
            .findFirst()
            .orElseThrow();
    Path file = Path.of(codes.path().replace("file:", "")).resolve(one);
    Dataset<Row> rows = spark.read().parquet(file.toString());
    Dataset<Row> shorter =
        rows.withColumn("codes", org.apache.spark.sql.functions.expr("substring(codes, 2)"));
    shorter.coalesce(1).write().parquet(folder + "/shorter");
    try (Stream<Path> files = Files.list(folder.resolve("shorter"))) {
      Path fresh = files.filter(f -> f.toString().endsWith(".parquet")).findFirst().orElseThrow();
      Files.deleteIfExists(file.resolveSibling("." + file.getFileName() + ".crc"));
      Files.copy(fresh, file, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    }
    assertThatThrownBy(() -> Versions.codes(storage, codes.path(), "--codes"))
        .hasMessageContaining("is damaged");
    assertThatThrownBy(() -> codes.read(spark).collectAsList())
        .hasStackTraceContaining("Damaged or foreign codes");
  }
}
