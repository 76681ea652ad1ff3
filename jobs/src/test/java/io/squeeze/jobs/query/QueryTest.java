package io.squeeze.jobs.query;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.Walk;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.query.QueryJob.Format;
import io.squeeze.jobs.run.Summary;
import io.squeeze.jobs.spark.ScalaLists;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.sql.SqueezeExtensions;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.commons.io.FileUtils;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Queries over what a small walk published. */
class QueryTest {
  private static final int CHANNELS = 24;

  @TempDir private static Path folder;
  private static SparkSession spark;
  private static Path walk;
  private static String checkpoint;

  @BeforeAll
  static void register() throws IOException {
    spark = Shared.session();
    walk = Shared.walk().folder();
    checkpoint = Shared.walk().checkpoint();
    new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.TABLE, null);
    new Workspace(spark, walk.toString())
        .views()
        .forEach((name, view) -> view.createOrReplaceTempView(name));
  }

  private static Row first(String sql) {
    return spark.sql(sql.replace("codes/pets", walk + "/codes/array")).head();
  }

  private String written(String sql, Format format) throws IOException {
    Path file =
        Files.createTempFile(
            folder,
            "out",
            format == Format.CSV ? ".csv" : format == Format.JSON ? ".json" : ".txt");
    new QueryJob(Fixture.squeeze(spark), walk.toString(), format, file.toString()).run(sql);
    return Files.readString(file);
  }

  @Test
  void theViewsAreOfAllThatIsPublished() {
    assertThat(first("SELECT count(*), count(DISTINCT data_set) FROM embeddings"))
        .hasToString("[72,2]");
    assertThat(first("SELECT count(*), count(DISTINCT y), max(x) FROM patches"))
        .hasToString("[14112,14,13]");
    assertThat(first("SELECT count(*), min(size(codes)) FROM codes")).hasToString("[72,588]");
    assertThat(first("SELECT count(*) FROM codebook WHERE data_set = 'codes/array'"))
        .hasToString("[36]");
    assertThat(first("SELECT count(*), min(evaluation) FROM samples")).hasToString("[12,test]");
    assertThat(first("SELECT count(*) FROM rejects")).hasToString("[0]");
    Row run =
        first(
            "SELECT run, quantizer, evaluation, samples, nominal FROM runs WHERE quantizer = 'rvq'");
    assertThat(run.getString(0)).startsWith("outputs/");
    assertThat(run.getString(1)).isEqualTo("rvq");
    assertThat(run.getLong(3)).isEqualTo(12);
    assertThat(run.getDouble(4)).isEqualTo(CHANNELS * 32 / 12.0);
  }

  @Test
  void patchesAreTheVectorsOfTheGridWhateverTheirType() {
    for (String set : List.of("emb/shapes", "emb/half")) {
      Row row =
          first(
              "SELECT * FROM embeddings WHERE sample_id = 'circle_3' AND data_set = '" + set + "'");
      List<Float> all =
          first(
                  "SELECT embedding_to_array(embedding) FROM embeddings WHERE sample_id = 'circle_3'"
                      + " AND data_set = '"
                      + set
                      + "'")
              .getList(0);
      List<Float> patch =
          first(
                  "SELECT vector FROM patches WHERE sample_id = 'circle_3' AND y = 2 AND x = 5"
                      + " AND data_set = '"
                      + set
                      + "'")
              .getList(0);
      List<Float> expected = new ArrayList<>();
      for (int c = 0; c < CHANNELS; c++) {
        expected.add(all.get((c * 14 + 2) * 14 + 5));
      }
      assertThat(patch).isEqualTo(expected);
      if (set.equals("emb/shapes")) {
        byte[] bytes = row.getAs("embedding");
        float stored = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getFloat(4 * 33);
        assertThat(patch.get(0)).isEqualTo(stored);
      } else {
        assertThat(row.<String>getAs("dtype")).isEqualTo("float16");
      }
    }
    assertThat(first("SELECT embedding_at(embedding, 14, 0) FROM embeddings").isNullAt(0)).isTrue();
  }

  @Test
  void aDistanceByLookupIsTheDistanceToWhatTheCodesStandFor() {
    String query =
        "(SELECT first(vector) AS q FROM patches WHERE sample_id = 'circle_3' AND y = 7 AND x = 7)";
    String codes = walk + "/codes/array";
    List<Row> rows =
        spark
            .sql(
                """
                SELECT codes, q,
                       code_distance(slice(codes, 1, 3), q, '%s') AS first,
                       code_distance(codes, q, '%s') AS nearest,
                       symmetric_code_distance(codes, codes, '%s') AS itself,
                       symmetric_code_distance(codes, slice(codes, 4, 3), '%s') AS part,
                       code_cosine_similarity(codes, q, '%s') AS alike
                FROM (SELECT * FROM codes WHERE data_set = 'codes/array') CROSS JOIN %s
                """
                    .formatted(codes, checkpoint, codes, checkpoint, codes, query))
            .collectAsList();
    assertThat(rows).hasSize(Walk.PHOTOS);
    Tasks.start();
    try (LoadedModel loaded = LoadedModel.of(Checkpoint.read(Sessions.storage(spark), checkpoint));
        NDManager scope = loaded.manager().newSubManager()) {
      for (Row row : rows) {
        long[] all = row.<Integer>getList(0).stream().mapToLong(code -> code).toArray();
        NDArray there =
            loaded
                .quantizer()
                .codewordsInSearchSpace(scope.create(all, new Shape(196, 3)), loaded.parameters());
        NDArray asked = scope.create(floats(row.getList(1)), new Shape(1, CHANNELS));
        NDArray located = loaded.quantizer().toSearchSpace(asked, loaded.parameters());
        float[] distances = there.sub(located).square().sum(new int[] {1}).sqrt().toFloatArray();
        assertThat(row.getDouble(2)).isCloseTo(distances[0], within(1e-4));
        float nearest = Float.MAX_VALUE;
        for (float distance : distances) {
          nearest = Math.min(nearest, distance);
        }
        assertThat(row.getDouble(3)).isCloseTo(nearest, within(1e-4));
        assertThat(row.getDouble(4)).isCloseTo(0, within(1e-3));
        assertThat(row.getDouble(5)).isCloseTo(0, within(1e-3));
        NDArray similar =
            there.normalize(2, 1).mul(located.normalize(2, 1)).sum(new int[] {1}).max();
        assertThat(row.getDouble(6)).isCloseTo(similar.getFloat(), within(1e-5));
      }
    }
  }

  private static float[] floats(List<Float> values) {
    float[] floats = new float[values.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = values.get(i);
    }
    return floats;
  }

  @Test
  void aQueryThatIsOnlyExplainedSendsNoModel() {
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    // A path of its own: no query before has sent this model.
    String sql =
        "SELECT code_distance(array(cast(id AS int), 1, 2), array(1f), '%s') FROM range(3)"
            .formatted(walk + "/codes/array/v1");
    long before = context.broadcast(0).id();
    spark.sql("EXPLAIN EXTENDED " + sql).collect();
    assertThat(spark.sql(sql).schema().size()).isEqualTo(1);
    assertThat(context.broadcast(0).id()).isEqualTo(before + 1);
  }

  @Test
  void codesAreDecodedByEngineThatKnowsNothingOfThem() throws Exception {
    String sql =
        Files.readString(Path.of("../notebooks/decode_codes.duckdb.sql"))
            .replace("codes/pets", walk + "/codes/array");
    Map<String, List<Float>> ours = new HashMap<>();
    spark
        .sql(
            "SELECT concat(split, '/', sample_id), decode_codes(codes, '%s') FROM codes"
                    .formatted(walk + "/codes/array")
                + " WHERE data_set = 'codes/array'")
        .collectAsList()
        .forEach(row -> ours.put(row.getString(0), row.getList(1)));
    int vectors = 0;
    try (Connection duck = DriverManager.getConnection("jdbc:duckdb:");
        ResultSet rows = duck.createStatement().executeQuery(sql)) {
      while (rows.next()) {
        List<Float> all = ours.get(rows.getString("split") + "/" + rows.getString("sample_id"));
        int place = rows.getInt("place");
        Object[] vector = (Object[]) rows.getArray("vector").getArray();
        assertThat(vector).hasSize(CHANNELS);
        for (int c = 0; c < CHANNELS; c++) {
          assertThat((Float) vector[c]).isCloseTo(all.get(place * CHANNELS + c), within(1e-4f));
        }
        vectors++;
      }
    }
    assertThat(vectors).isEqualTo(Walk.PHOTOS * 196);
  }

  @Test
  void aVectorHasTheCodesThatEncodingGaveIt() {
    long others =
        spark
            .sql(
                """
                SELECT encode_vector(p.vector, '%s') AS found,
                       slice(c.codes, (p.y * 14 + p.x) * 3 + 1, 3) AS stored
                FROM patches p JOIN codes c ON p.sample_id = c.sample_id AND p.split = c.split
                WHERE p.data_set = 'emb/shapes' AND c.data_set = 'codes/array'
                """
                    .formatted(checkpoint))
            .where("found != stored")
            .count();
    // A vector that lies between two codes may fall to the other by the last bit.
    assertThat(others).isLessThan(5);
  }

  @Test
  void binaryCodesAreUnpackedAndCounted() {
    String packed = walk + "/codes/entropy";
    Dataset<Row> unpacked =
        spark.sql(
            "SELECT sample_id, split, unpack_codes(codes, '%s') FROM parquet.`%s/v1/codes`"
                .formatted(packed, packed));
    Dataset<Row> arrays =
        spark.sql("SELECT sample_id, split, codes FROM codes WHERE data_set = 'codes/array'");
    assertThat(unpacked.exceptAll(arrays).isEmpty()).isTrue();
    List<List<Long>> counts =
        first("SELECT code_histogram(codes) FROM codes WHERE data_set = 'codes/entropy'")
            .<scala.collection.Seq<Long>>getList(0)
            .stream()
            .map(level -> ScalaLists.of(level))
            .toList();
    assertThat(counts).hasSize(3);
    assertThat(counts).allSatisfy(level -> assertThat(sum(level)).isEqualTo(Walk.PHOTOS * 196));
  }

  private static long sum(List<Long> counts) {
    return counts.stream().mapToLong(Long::longValue).sum();
  }

  @Test
  void onlyWhatIsAskedForIsRead() {
    String plan =
        first("EXPLAIN SELECT breed, count(*) FROM embeddings WHERE split = 'test' GROUP BY breed")
            .getString(0);
    assertThat(plan)
        .contains("(split#")
        .contains("= test)]")
        .contains("ReadSchema: struct<breed:string>")
        .doesNotContain("embedding#");
    assertThat(first("EXPLAIN SELECT max(y) FROM patches").getString(0))
        .doesNotContain("embedding:binary");
  }

  @Test
  void aSamplesEntropyAddsUpToTheDataSets() throws IOException {
    Path run =
        Path.of(checkpoint.replace("file:", "")).resolveSibling("evaluation/test/summary.json");
    Summary summary = Summary.parse(Files.readString(run), run.toString());
    Row sums = first("SELECT sum(entropy_bytes), sum(packed_bytes), avg(mse) FROM samples");
    assertThat(sums.getDouble(0)).isCloseTo(summary.bytes().entropy(), within(1e-6));
    assertThat((double) sums.getLong(1)).isEqualTo(summary.bytes().packed());
    assertThat(sums.getDouble(2)).isCloseTo(summary.kept().meanSquaredError(), within(1e-9));
  }

  @Test
  void resultsComeInEveryFormat() throws IOException {
    String sql =
        "SELECT sample_id, array(1, 2) AS a, 'x, \"y\"' AS t, null AS n FROM codes"
            + " WHERE data_set = 'codes/array' ORDER BY sample_id LIMIT 2";
    assertThat(written(sql, Format.CSV).lines())
        .containsExactly(
            "sample_id,a,t,n",
            "circle_1,\"[1,2]\",\"x, \"\"y\"\"\",",
            "circle_2,\"[1,2]\",\"x, \"\"y\"\"\",");
    assertThat(written(sql, Format.JSON).lines().findFirst())
        .contains("{\"sample_id\":\"circle_1\",\"a\":[1,2],\"t\":\"x, \\\"y\\\"\",\"n\":null}");
    assertThat(written(sql, Format.TABLE).lines())
        .containsExactly(
            "sample_id  a       t       n",
            "---------  ------  ------  ----",
            "circle_1   [1, 2]  x, \"y\"  NULL",
            "circle_2   [1, 2]  x, \"y\"  NULL",
            "(2 rows)");
    Path parquet = folder.resolve("result");
    new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.PARQUET, parquet.toString())
        .run("-- first\nCREATE OR REPLACE TEMP VIEW t AS SELECT ';' AS s;\nSELECT s FROM t;\n");
    assertThat(spark.read().parquet(parquet.toString()).head().getString(0)).isEqualTo(";");
  }

  @Test
  void aDamagedDataSetEndsTheQueriesThatReadItAndNoOthers() throws Exception {
    Path own = Files.createDirectory(folder.resolve("damaged"));
    FileUtils.copyDirectory(walk.resolve("codes/array").toFile(), own.resolve("whole").toFile());
    FileUtils.copyDirectory(walk.resolve("codes/array").toFile(), own.resolve("broken").toFile());
    FileUtils.copyDirectory(
        walk.resolve("outputs/baseline").toFile(), own.resolve("baseline").toFile());
    try (Stream<Path> files = Files.walk(own.resolve("broken/v1/codes"))) {
      Files.delete(files.filter(f -> f.toString().endsWith(".parquet")).findFirst().orElseThrow());
    }
    Files.writeString(own.resolve("baseline/config.json"), "include \"x\"");
    Path out = own.resolve("n.csv");
    SparkSession session = Shared.session();
    QueryJob job =
        new QueryJob(Fixture.squeeze(session), own.toString(), Format.CSV, out.toString());
    assertThatThrownBy(() -> job.run("SELECT count(*) AS n FROM codes"))
        .hasStackTraceContaining("broken/v1 is damaged");
    job.run("SELECT count(*) AS n FROM codes WHERE data_set = 'whole'");
    assertThat(Files.readString(out)).isEqualTo("n\n36\n");
    job.run("SELECT run AS n FROM runs");
    assertThat(Files.readString(out)).isEqualTo("n\nbaseline\n");
  }

  @Test
  void aResultReplacesResultsAlone() throws IOException {
    Path manifest = walk.resolve("codes/array/v1/_manifest.json");
    Path photo = folder.resolve("photo.jpg");
    Files.writeString(photo, "x");
    for (Path path : List.of(manifest, photo, walk.resolve("outputs/vq_squeeze/config.json"))) {
      byte[] before = Files.readAllBytes(path);
      QueryJob job =
          new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.JSON, path.toString());
      assertThatThrownBy(() -> job.run("SELECT 1 AS n"))
          .hasMessageContaining("exists and is no result of a query");
      assertThat(path).hasBinaryContent(before);
    }
    Path table = folder.resolve("somebodys");
    spark.range(2).write().parquet(table.toString());
    QueryJob over =
        new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.PARQUET, table.toString());
    assertThatThrownBy(() -> over.run("SELECT 1 AS n"))
        .hasMessageContaining("exists and is no result of a query");
    Path own = folder.resolve("own");
    QueryJob twice =
        new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.PARQUET, own.toString());
    twice.run("SELECT 1 AS n");
    twice.run("SELECT 2 AS n");
    assertThat(spark.read().parquet(own.toString()).head().getInt(0)).isEqualTo(2);
  }

  @Test
  void noMethodOfTheDriverIsCalled() throws IOException {
    QueryJob job = new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.TABLE, null);
    assertThatThrownBy(() -> job.run("SELECT reflect('java.lang.System', 'getProperty', 'x')"))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("reflect");
  }

  @Test
  void whatCannotBeAnsweredIsSaid() throws IOException {
    QueryJob job = new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.TABLE, null);
    assertThatThrownBy(() -> job.run("SELECT * FROM nothing"))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("nothing")
        .extracting(e -> ((SqueezeException) e).category().exitCode())
        .isEqualTo(2);
    assertThatThrownBy(() -> job.run("SELECT l2_distance(1)"))
        .hasMessageContaining("l2_distance(a, b) was given 1 argument");
    assertThatThrownBy(() -> job.run("SELECT code_distance(codes, array(1f), 'none') FROM codes"))
        .hasMessageContaining("No codes in none");
    assertThatThrownBy(
            () ->
                job.run(
                    "SELECT code_distance(codes, array(1f), '"
                        + walk
                        + "/codes/array') FROM codes"))
        .hasStackTraceContaining("is of vectors of 24 values, not of an array of 1");
    QueryJob over =
        new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.PARQUET, walk + "/codes");
    assertThatThrownBy(() -> over.run("SELECT 1 AS n"))
        .hasMessageContaining("no result of a query: name another folder (--out)");
    QueryJob twice = new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.CSV, null);
    assertThatThrownBy(() -> twice.run("SELECT 1 AS n, 2 AS n"))
        .hasMessageContaining("Two columns are called n");
    assertThatThrownBy(
            () -> new QueryJob(Fixture.squeeze(spark), walk + "/none", Format.TABLE, null))
        .hasMessageContaining("(--workspace)");
    assertThatThrownBy(
            () -> new QueryJob(Fixture.squeeze(spark), walk.toString(), Format.PARQUET, null))
        .hasMessageContaining("(--out)");
    assertThatThrownBy(() -> Format.named("xml")).hasMessageContaining("No format xml (--format)");
  }

  /** Where Spark compiles no stage, the scheduler itself sends the model with the tasks. */
  @Test
  @Timeout(60)
  void aStageThatIsNotCompiledGetsTheModelToo() throws IOException {
    // Models are sent once: this one was not.
    Path codes = folder.resolve("uncompiled");
    FileUtils.copyDirectory(walk.resolve("codes/array").toFile(), codes.toFile());
    SparkSession own = Shared.session();
    SqueezeExtensions.register(own);
    String query =
        """
        SELECT sample_id, decode_codes(codes, '%s')
        FROM parquet.`%s` DISTRIBUTE BY sample_id
        """;
    String files = codes + "/v1/codes";
    List<Row> compiled = own.sql(query.formatted(walk + "/codes/array", files)).collectAsList();
    own.conf().set("spark.sql.codegen.wholeStage", "false");
    assertThat(own.sql(query.formatted(codes, files)).collectAsList())
        .containsExactlyInAnyOrderElementsOf(compiled);
  }
}
