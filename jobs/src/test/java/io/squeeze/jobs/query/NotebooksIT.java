package io.squeeze.jobs.query;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.Walk;
import io.squeeze.jobs.query.QueryJob.Format;
import io.squeeze.jobs.spark.SparkBuild;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What lies in notebooks/ runs, on a walk smaller than submit/quickstart's. */
class NotebooksIT {
  private static final Path NOTEBOOKS = Path.of("../notebooks");
  private static final String CODES = "codes/array";

  @TempDir private static Path folder;
  private static SparkSession spark;
  private static Path walk;

  @BeforeAll
  static void register() throws IOException {
    spark = Shared.session();
    walk = Shared.walk().folder();
    new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.TABLE, null);
    new Workspace(spark, walk.toString())
        .views()
        .forEach((name, view) -> view.createOrReplaceTempView(name));
  }

  private static String here(String text) {
    return text.replace("data/quickstart/", walk + "/")
        .replace("codes/vit_vq_512", CODES)
        .replace("y = 3 AND x = 3", "y = 7 AND x = 7");
  }

  @ParameterizedTest
  @ValueSource(strings = {"explore", "codebook_usage", "rate_distortion", "lookalikes", "nearest"})
  void theQueriesGiveRows(String name) throws IOException {
    assumeFalse(
        name.equals("nearest") && !SparkBuild.read().line().equals("4.2"), "Spark 4.2's join");
    Path out = folder.resolve(name + ".txt");
    String sql = here(Files.readString(NOTEBOOKS.resolve(name + ".sql")));
    new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.TABLE, out.toString()).run(sql);
    List<String> counts =
        Files.readString(out).lines().filter(line -> line.matches("\\([0-9]+ rows?\\)")).toList();
    assertThat(counts).isNotEmpty().doesNotContain("(0 rows)");
  }

  @Test
  void aSearchInTwoStepsFindsMore() throws IOException {
    spark
        .sql(
            "SELECT concat(sample_id, y, x) AS id, vector FROM patches"
                + " WHERE split = 'test' AND data_set = 'emb/shapes'")
        .write()
        .parquet(folder + "/vectors");
    spark
        .sql(
            "SELECT concat(sample_id, i DIV 14, i % 14) AS sample_id, slice(codes, 3 * i + 1, 3) AS codes"
                + " FROM codes LATERAL VIEW explode(sequence(0, 195)) AS i"
                + " WHERE split = 'test' AND data_set = 'codes/array'")
        .write()
        .parquet(folder + "/single/v1/codes");
    String sql =
        Files.readString(NOTEBOOKS.resolve("search_recall.sql"))
            .replace("codes/vectors", folder + "/vectors")
            .replace("codes/rvq/v1/codes", folder + "/single/v1/codes")
            .replace("codes/rvq", walk + "/" + CODES);
    Path out = folder.resolve("recall.json");
    new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.JSON, out.toString()).run(sql);
    JsonNode found = new ObjectMapper().readTree(Files.readString(out));
    assertThat(found.get("queries").asInt()).isPositive();
    assertThat(found.get("recall_in_two_steps").asDouble())
        .isGreaterThan(found.get("recall_on_codes").asDouble());
  }

  /** The pictures that a notebook makes with these properties. */
  private static int pictures(String name, Map<String, String> properties) throws IOException {
    properties.forEach(System::setProperty);
    try {
      return JavaNotebook.pictures(JavaNotebook.run(NOTEBOOKS.resolve(name)));
    } finally {
      properties.keySet().forEach(System::clearProperty);
    }
  }

  @Test
  void theJavaNotebooksRun() throws IOException {
    assertThat(pictures("explore_java.ipynb", Map.of("workspace", walk.toString()))).isEqualTo(3);
    Walk source = Shared.walk();
    Map<String, String> photos =
        Map.of(
            "photos", source.fixture().photos().resolve("images").toString(),
            "backbone", source.fixture().backbone().toString(),
            "checkpoint", source.checkpoint());
    // The last row, of photos that are there twice, is for collections that have some.
    assertThat(pictures("photos_java.ipynb", photos)).isBetween(5, 6);
  }

  @ParameterizedTest
  @CsvSource({"explore_java, 3", "explore_python, 3", "photos_java, 6"})
  void notebooksKeepTheirPictures(String name, int pictures) throws IOException {
    JsonNode kept = new ObjectMapper().readTree(NOTEBOOKS.resolve(name + ".ipynb").toFile());
    assertThat(JavaNotebook.pictures(kept)).isEqualTo(pictures);
  }

  @Test
  void tenLinesOfPythonDecode() throws Exception {
    Process check =
        new ProcessBuilder("python3", "-c", "import numpy, pyarrow").inheritIO().start();
    Assumptions.assumeTrue(
        check.waitFor(60, TimeUnit.SECONDS) && check.exitValue() == 0,
        "python3 with numpy and pyarrow is not here");
    Path out = folder.resolve("python.txt");
    String script = NOTEBOOKS.resolve("decode_codes.py").toString();
    Process process =
        new ProcessBuilder("python3", script, walk + "/" + CODES + "/v1", "circle_1")
            .redirectOutput(out.toFile())
            .start();
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    List<Float> ours =
        spark
            .sql(
                ("SELECT decode_codes(codes, '%s') FROM codes"
                        + " WHERE sample_id = 'circle_1' AND data_set = 'codes/array'")
                    .formatted(walk + "/" + CODES))
            .head()
            .getList(0);
    String[] words = Files.readString(out).strip().split("\\s+", -1);
    for (int i = 0; i < 4; i++) {
      float value = Float.parseFloat(words[words.length - 4 + i]);
      assertThat(value).isCloseTo(ours.get(i), org.assertj.core.api.Assertions.within(1e-5f));
    }
  }
}
