package io.squeeze.jobs.grid;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.SqueezeException.Category;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.model.BadRows;
import io.squeeze.jobs.model.VectorTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
class GridIT {
  private final SparkSession spark = Shared.session();
  private static final String GRID =
      """
      base { train.epochs = 2 }
      grid = [
        { quantizer.type = [none, vq], seed = [1, 2] }
        { quantizer.type = lfq, quantizer.codebook-size = [12] }
      ]
      """;

  @TempDir static Path folder;

  private void run(Settings settings, int parallel) throws IOException {
    GridJob.File file = GridJob.File.parse("conf/small.conf", GRID);
    new GridJob(
            Fixture.squeeze(spark),
            file,
            new PhotoRuns(Fixture.squeeze(spark), "test"),
            settings.with(file.base()),
            parallel)
        .run();
  }

  private static Map<String, FileTime> checkpoints(Path grid) throws IOException {
    Map<String, FileTime> times = new TreeMap<>();
    try (Stream<Path> runs = Files.list(grid)) {
      for (Path run : runs.filter(r -> Files.exists(r.resolve("last.ckpt"))).toList()) {
        times.put(
            run.getFileName().toString(), Files.getLastModifiedTime(run.resolve("last.ckpt")));
      }
    }
    return times;
  }

  @Test
  void aGridGoesOnWithWhatIsMissingAndTellsOfWhatFails() throws IOException {
    Fixture fixture = new Fixture(folder, 36);
    Settings settings = fixture.settings("e", "");
    assertThatThrownBy(() -> run(settings, 3))
        .isInstanceOfSatisfying(
            SqueezeException.class, e -> assertThat(e.category()).isEqualTo(Category.PARTIAL))
        .hasMessageContaining("1 of 5 runs failed");
    Path grid = folder.resolve("outputs/small");
    Map<String, FileTime> first = checkpoints(grid);
    assertThat(first.keySet())
        .containsExactly("none_seed-1", "none_seed-2", "vq_seed-1", "vq_seed-2");

    List<String> results = Files.readAllLines(grid.resolve("results.csv"));
    assertThat(results).hasSize(4);
    assertThat(results.get(0))
        .startsWith("rank,configuration,quantizer_type,quantizer_codebook_size,n,failed,miou_mean");
    assertThat(results.get(3)).startsWith("3,lfq_codebook-size-12,lfq,12,0,1,,");
    assertThat(Files.readString(grid.resolve("runs.csv")))
        .contains("failed,\"quantizer.codebook-size is 12, but every bit of lfq doubles its codes");
    List<Row> rows =
        spark
            .read()
            .parquet(grid.resolve("results.parquet").toString())
            .orderBy("rank")
            .collectAsList();
    assertThat(rows.get(0).<Long>getAs("n")).isEqualTo(2);
    assertThat(rows.get(0).<Double>getAs("miou_mean"))
        .isGreaterThan(rows.get(1).<Double>getAs("miou_mean") - 1e-9);
    assertThat(rows.stream().map(r -> r.<Boolean>getAs("pareto"))).contains(true);
    assertThat(ImageIO.read(grid.resolve("rate_distortion.png").toFile()).getWidth())
        .isEqualTo(1000);
    assertThat(Files.readString(grid.resolve("rate_distortion.svg"))).contains("<svg", "<path");

    assertThatThrownBy(
            () ->
                new GridJob(
                        Fixture.squeeze(spark),
                        GridJob.File.parse("conf/small.conf", GRID),
                        new PhotoRuns(Fixture.squeeze(spark), "dev"),
                        settings,
                        1)
                    .run())
        .hasMessageContaining("No split dev in ")
        .hasMessageContaining("there are train, val, trainval, test");

    // As if it had been killed: one run is missing, one is unfinished.
    byte[] whole = Files.readAllBytes(grid.resolve("vq_seed-2/last.ckpt"));
    org.apache.commons.io.FileUtils.deleteDirectory(grid.resolve("vq_seed-1").toFile());
    Files.move(
        grid.resolve("vq_seed-2/checkpoints/epoch_0001.ckpt"),
        grid.resolve("vq_seed-2/last.ckpt"),
        java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    assertThatThrownBy(() -> run(settings, 1)).hasMessageContaining("1 of 5 runs failed");
    Map<String, FileTime> second = checkpoints(grid);
    assertThat(second.get("none_seed-1")).isEqualTo(first.get("none_seed-1"));
    assertThat(second.get("none_seed-2")).isEqualTo(first.get("none_seed-2"));
    assertThat(second.get("vq_seed-1")).isNotEqualTo(first.get("vq_seed-1"));
    assertThat(grid.resolve("vq_seed-2/last.ckpt")).hasBinaryContent(whole);
    assertThat(Files.readAllLines(grid.resolve("results.csv"))).isEqualTo(results);
  }

  @Test
  void aGridOfATableTellsWhatBytesCost() throws IOException {
    String table = folder.resolve("table").toString();
    spark
        .range(400)
        .selectExpr("id", "transform(sequence(1, 16), j -> float(pow(sin(id * j), 3) / j)) AS v")
        .write()
        .parquet(table);
    Settings settings =
        Settings.defaults()
            .with("output.dir", folder.resolve("outputs").toString())
            .with("quantizer.codebook.kmeans-iterations", "3");
    GridJob.File file =
        GridJob.File.parse(
            "rates.conf",
            """
            grid = [
              { quantizer.type = rvq, quantizer.bytes = [0.25, 0.5] }
              { quantizer.type = scalar, quantizer.bytes = [4] }
              { quantizer.type = vq, quantizer.bytes = [9] }
            ]
            """);
    VectorTable vectors =
        VectorTable.open(Fixture.squeeze(spark), table, "v", "id", new BadRows(false, 0));
    for (int again = 0; again < 2; again++) {
      assertThatThrownBy(
              () ->
                  new GridJob(
                          Fixture.squeeze(spark),
                          file,
                          new TableRuns(Fixture.squeeze(spark), vectors, vectors),
                          settings,
                          2)
                      .run())
          .hasMessageContaining("1 of 4 runs failed");
    }
    Path grid = folder.resolve("outputs/rates");
    List<Row> rows =
        spark
            .read()
            .parquet(grid.resolve("results.parquet").toString())
            .orderBy("rank")
            .collectAsList();
    assertThat(rows.stream().map(row -> row.<String>getAs("configuration")))
        .containsExactly("scalar_bytes-4", "rvq_bytes-0.5", "rvq_bytes-0.25", "vq_bytes-9");
    assertThat(rows.stream().map(row -> row.<Boolean>getAs("pareto")))
        .containsExactly(true, true, true, false);
    assertThat(rows.get(0).<Double>getAs("error_share_mean")).isBetween(0.0, 0.5);
    assertThat(rows.get(2).<Double>getAs("bits_per_vector")).isEqualTo(2);
    assertThat(rows.get(0).<Double>getAs("bits_per_vector")).isBetween(24.0, 36.0);
    assertThat(Files.readString(grid.resolve("runs.csv"))).contains("vq has one code a vector");
    assertThat(ImageIO.read(grid.resolve("rate_distortion.png").toFile()).getWidth())
        .isEqualTo(760);
    assertThat(Files.readString(grid.resolve("report.html")))
        .contains("Least error")
        .doesNotContain("Held-out");
  }
}
