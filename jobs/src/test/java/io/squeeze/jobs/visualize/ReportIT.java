package io.squeeze.jobs.visualize;

import static org.apache.spark.sql.functions.col;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.model.SampleDrawing;
import io.squeeze.jobs.run.SampleTable;
import io.squeeze.jobs.train.TrainJob;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
class ReportIT {
  @TempDir static Path folder;
  private static SparkSession spark;
  private static String checkpoint;
  private static String baseline;

  @BeforeAll
  static void copy() throws IOException {
    spark = Shared.session();
    // A copy: what is shown is written into the run.
    checkpoint = Shared.walk().copyOfRuns(folder.resolve("outputs"));
    baseline = folder + "/outputs/baseline/last.ckpt";
  }

  private static VisualizeJob.Shown show(String baselinePath, String more) throws IOException {
    Settings settings =
        Shared.walk().settings("visualize.dir = \"" + folder.resolve("pictures") + "\", " + more);
    return new VisualizeJob(
            Fixture.squeeze(spark),
            new EvaluateJob.Request(checkpoint, baselinePath, null, "test", null),
            null,
            settings)
        .run();
  }

  private static String name(String path) {
    return path.substring(path.lastIndexOf('/') + 1);
  }

  private static Dataset<Row> table() {
    return spark
        .read()
        .parquet(
            folder.resolve("outputs/vq_squeeze/evaluation/test/per_sample.parquet").toString());
  }

  @Test
  void aRunIsShownWithPicturesOfTheSamplesThatTellMost() throws IOException {
    VisualizeJob.Shown shown = show(baseline, "visualize { best = 2, worst = 3 }");
    assertThat(shown.written().stream().map(ReportIT::name))
        .containsExactly(
            "best_results_test.png",
            "worst_results_test.png",
            "changed_results_test.png",
            "random_results_test.png",
            "report_test.html");
    Dataset<Row> table = table();
    String page = Files.readString(Path.of(shown.written().get(4)));
    List<Row> best = table.orderBy(col("iou").desc(), col("sample_id")).limit(2).collectAsList();
    List<Row> changed =
        table
            .orderBy(col("iou").minus(col("baseline_iou")), col("sample_id"))
            .limit(5)
            .collectAsList();
    assertThat(ids(page, "Best", "Worst")).isEqualTo(names(best));
    assertThat(ids(page, "Lost most", "Random")).isEqualTo(names(changed));
    assertThat(page)
        .contains("IoU kept", "Codes used", "alt=\"Mean IoU by breed\"", "alt=\"Loss\"")
        .contains("amortized", "&quot;codebook-size&quot; : 12")
        .doesNotContain("src=\"http", "href=\"http");
    assertThat(shown.summary().baseline().miou()).isPositive();
    assertThat(spark.sparkContext().statusTracker().getJobIdsForGroup("visualize " + checkpoint))
        .isNotEmpty();
  }

  /** The samples whose photos stand between two titles. */
  private static List<String> ids(String page, String from, String to) {
    String part =
        page.substring(
            page.indexOf("<figcaption>" + from + "<"), page.indexOf("<figcaption>" + to + "<"));
    return Pattern.compile("alt=\"photo of ([^\"]+)\"")
        .matcher(part)
        .results()
        .map(match -> match.group(1))
        .toList();
  }

  private static List<String> names(List<Row> rows) {
    return rows.stream().map(row -> row.<String>getAs("sample_id")).toList();
  }

  @Test
  void theTableSaysWhatEverySampleKeptAndCost() throws IOException {
    show(baseline, "");
    for (Row row : table().collectAsList()) {
      // A code of twelve takes four bits.
      int codes = row.getList(row.fieldIndex("codes")).size();
      assertThat(row.<Long>getAs("code_bits")).isEqualTo(4L * codes);
      assertThat(row.<Integer>getAs("packed_bytes")).isEqualTo((4 * codes + 7) / 8);
      assertThat(row.<Double>getAs(SampleTable.DIFFERENCE))
          .isCloseTo(row.<Double>getAs("iou") - row.<Double>getAs("baseline_iou"), within(1e-12));
      assertThat(row.<Double>getAs("subject_share")).isBetween(0.0, 1.0);
    }
    Path groups = folder.resolve("outputs/vq_squeeze/evaluation/test/groups.csv");
    Dataset<Row> csv = spark.read().option("header", true).csv(groups.toString());
    for (String by : List.of("breed", "species", "subject_size")) {
      assertThat(csv.where(col("by").equalTo(by)).selectExpr("sum(samples)").head().getDouble(0))
          .isEqualTo((double) table().count());
    }
    double mean = table().where("species = 'cat'").selectExpr("avg(iou)").head().getDouble(0);
    assertThat(Double.parseDouble(csv.where("name = 'cat'").head().getAs("iou")))
        .isCloseTo(mean, within(1e-12));
  }

  @Test
  void aSingleSampleAndEmptySelectionsLookRightWithoutABaseline() throws IOException {
    String one = "visualize { best = 1, worst = 0, random = 0, outlines = true }";
    List<String> written = show(null, one).written();
    assertThat(written.stream().map(ReportIT::name))
        .containsExactly("best_results_test.png", "report_test.html");
    BufferedImage picture = ImageIO.read(Path.of(written.get(0)).toFile());
    int side = Shared.walk().settings("").image().size();
    assertThat(picture.getWidth()).isEqualTo(16 + 4 * (side + 16));
    assertThat(Files.readString(Path.of(written.get(1))))
        .contains("Worst: none", "Random: none")
        .doesNotContain("IoU kept", "Lost most");
  }

  @Test
  void randomSamplesFollowTheSeed() {
    List<String> first = SampleDrawing.drawn(table(), 1, 4);
    assertThat(SampleDrawing.drawn(table().repartition(3), 1, 4)).isEqualTo(first);
    assertThat(SampleDrawing.drawn(table(), 2, 4)).isNotEqualTo(first);
  }

  @Test
  void aRunThatIsGoneOnWithForgetsTheEventsBehindItsCheckpoint() throws IOException {
    Path run = folder.resolve("outputs/vq_squeeze");
    Path events = run.resolve("tensorboard");
    List<String> whole = names(events);
    assertThat(whole).hasSize(4);
    byte[] last = Files.readAllBytes(run.resolve("last.ckpt"));
    Files.copy(
        run.resolve("checkpoints/epoch_0001.ckpt"),
        run.resolve("last.ckpt"),
        StandardCopyOption.REPLACE_EXISTING);
    Files.delete(run.resolve("checkpoints/epoch_0001.ckpt"));
    Files.createFile(events.resolve("events.out.tfevents.0000000007.squeeze"));
    TrainJob.run(
        Fixture.squeeze(spark),
        Shared.walk().settings("").with("output.dir", folder.resolve("outputs").toString()));
    assertThat(names(events)).isEqualTo(whole);
    assertThat(run.resolve("last.ckpt")).hasBinaryContent(last);
  }

  private static List<String> names(Path path) throws IOException {
    try (Stream<Path> files = Files.list(path)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(file -> !file.startsWith("."))
          .sorted()
          .toList();
    }
  }
}
