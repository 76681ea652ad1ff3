package io.squeeze.jobs.search;

import static org.apache.spark.sql.functions.col;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.squeeze.config.Seeds;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.Command;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.ml.NearestVectors;
import io.squeeze.jobs.model.SourceVectors;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SparkBuild;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.sql.SqueezeExtensions;
import io.squeeze.quantize.KMeans;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An index of codes of a table, and what a search finds in it. */
class SearchIT {
  private static final int WIDTH = 24;
  private static final StructType SCHEMA =
      new StructType()
          .add("id", DataTypes.StringType, false)
          .add("v", DataTypes.createArrayType(DataTypes.FloatType, false), false);

  @TempDir private static Path folder;
  private static SparkSession spark;
  private static SqueezeSession session;

  @BeforeAll
  static void encode() {
    spark = Shared.session();
    SqueezeExtensions.register(spark);
    session = Fixture.squeeze(spark);
    write("table", rows(0, 2400));
    write("queries", rows(10_000, 40));
    run(
        "train --input %s --vector_col v --id_col id --quantizer_type rvq --codebook_size 16"
            + " --num_quantizers 4 --bottleneck_dim 10 --output_dir %s --experiment_name fit",
        "table", "runs");
    run(
        "encode --input %s --vector_col v --id_col id --checkpoint %s --codes %s",
        "table", "runs/fit/last.ckpt", "codes");
    run("index --codes %s", "codes");
  }

  private static Command run(String command, String... paths) {
    Object[] full = java.util.Arrays.stream(paths).map(SearchIT::at).toArray();
    Command done = Command.run(command.formatted(full).split(" "));
    assertThat(done.code()).as(done.err()).isZero();
    return done;
  }

  private static String at(String name) {
    return folder.resolve(name).toString();
  }

  private static float[] vector(int i) {
    SplittableRandom random = Seeds.random(i, "row");
    SplittableRandom centre = Seeds.random(i % 30, "centre");
    float[] vector = new float[WIDTH];
    for (int j = 0; j < WIDTH; j++) {
      vector[j] = (float) (5 + (Seeds.gaussian(centre) * 2 + Seeds.gaussian(random)) / (1 + j));
    }
    return vector;
  }

  private static List<Row> rows(int from, int count) {
    return IntStream.range(from, from + count)
        .mapToObj(i -> RowFactory.create("r%05d".formatted(i), vector(i)))
        .toList();
  }

  private static void write(String name, List<Row> rows) {
    spark.createDataFrame(rows, SCHEMA).coalesce(2).write().parquet(at(name));
  }

  private static Dataset<Row> queries() {
    return spark.read().parquet(at("queries"));
  }

  private static List<Row> sorted(Dataset<Row> found) {
    return found.orderBy("query_id", "rank").collectAsList();
  }

  @Test
  void allListsGiveWhatEveryDistanceGives() throws IOException {
    List<Row> found =
        sorted(
            Ranked.shown(
                search()
                    .nearestOf(
                        Queries.located(opened(), Queries.of(queries(), "id", "v"), 1 << 16),
                        new CodeSearch.Request(10, 0, null))));
    queries().createOrReplaceTempView("q");
    spark
        .sql("SELECT * FROM parquet.`%s/v1/codes`".formatted(at("codes")))
        .createOrReplaceTempView("c");
    List<Row> exact =
        spark
            .sql(
                """
                SELECT id, rank, sample_id, distance FROM (
                  SELECT *, row_number() OVER (PARTITION BY id ORDER BY distance, sample_id) AS rank
                  FROM (SELECT q.id, c.sample_id, code_distance(c.codes, q.v, '%s') AS distance
                        FROM q CROSS JOIN c))
                WHERE rank <= 10 ORDER BY id, rank
                """
                    .formatted(at("codes")))
            .collectAsList();
    assertThat(found).hasSize(400);
    for (int i = 0; i < found.size(); i++) {
      assertThat(found.get(i).getString(0)).isEqualTo(exact.get(i).getString(0));
      assertThat(found.get(i).getDouble(4)).isCloseTo(exact.get(i).getDouble(3), within(2e-4));
    }
    // Rows with the same distance may have another order.
    long same =
        IntStream.range(0, 400)
            .filter(i -> found.get(i).getString(2).equals(exact.get(i).getString(2)))
            .count();
    assertThat(same).isGreaterThan(380);
  }

  private static OpenedIndex opened() throws IOException {
    return OpenedIndex.open(session, at("codes"));
  }

  private static CodeSearch search() throws IOException {
    return CodeSearch.open(session, at("codes"));
  }

  @Test
  void usualListsKeepMostAndMeasuringAgainFindsTheTrueNeighbours() throws IOException {
    Command searched =
        run(
            "search --codes %s --queries %s --vector_col v --id_col id --k 5 --rerank %s"
                + " --candidates 200 --nprobe 20 --out %s",
            "codes", "queries", "table", "reranked");
    assertThat(searched.out()).contains("Neighbours: ", "200 rows");
    List<Row> found = sorted(spark.read().parquet(at("reranked")));
    int kept = 0;
    for (int q = 0; q < 40; q++) {
      float[] query = vector(10_000 + q);
      List<String> truth =
          IntStream.range(0, 2400)
              .boxed()
              .sorted(
                  Comparator.comparingDouble(i -> KMeans.squared(query, 0, vector(i), 0, WIDTH)))
              .limit(5)
              .map("r%05d"::formatted)
              .toList();
      for (Row row : found.subList(5 * q, 5 * q + 5)) {
        kept += truth.contains(row.getString(2)) ? 1 : 0;
        float[] near = vector(Integer.parseInt(row.getString(2).substring(1)));
        assertThat(row.getDouble(4))
            .isCloseTo(Math.sqrt(KMeans.squared(query, 0, near, 0, WIDTH)), within(1e-9));
      }
    }
    assertThat(kept).isGreaterThan(190);
    Command again =
        Command.run(
            "search",
            "--codes",
            at("codes"),
            "--queries",
            at("queries"),
            "--vector_col",
            "v",
            "--id_col",
            "id",
            "--out",
            at("reranked"));
    assertThat(again.code()).isEqualTo(3);
    assertThat(again.lastLine()).contains("There is something at", "(--out)");
  }

  @Test
  void theDefaultReadsSoManyListsAsKept95PercentWhenTheIndexWasMade() throws IOException {
    Probes probes = Probes.read(session.storage(), opened().published());
    assertThat(probes.queries()).isEqualTo(64);
    assertThat(probes.measured().get(probes.measured().size() - 1))
        .isEqualTo(new Probes.Measured(49, 1.0, 1.0));
    int usual = search().probes(0);
    Probes.Measured enough =
        probes.measured().stream().filter(one -> one.probes() == usual).findFirst().orElseThrow();
    assertThat(enough.recall()).isBetween(0.98, 1.0);
    assertThat(enough.share()).isLessThan(0.5);
    List<Row> all = sorted(found(1 << 16));
    List<Row> some = sorted(found(0));
    long kept =
        all.stream()
            .map(SearchIT::pair)
            .filter(some.stream().map(SearchIT::pair).toList()::contains)
            .count();
    assertThat(kept).isBetween(360L, 399L);
  }

  private static String pair(Row row) {
    return row.getString(0) + " " + row.getString(2);
  }

  private static Dataset<Row> found(int probes) throws IOException {
    return search()
        .nearest(Queries.of(queries(), "id", "v"), new CodeSearch.Request(10, probes, null));
  }

  @Test
  void aConditionHoldsForAllThatIsFound() throws IOException {
    Dataset<Row> queries = Queries.of(queries().limit(3), "id", "v");
    List<Row> found =
        sorted(
            search().nearest(queries, new CodeSearch.Request(7, 1 << 16, "sample_id LIKE '%3'")));
    assertThat(found).hasSize(21).allMatch(row -> row.getString(2).endsWith("3"));
  }

  @Test
  void theSameQueryTwiceIsAnsweredTwiceAndOneIdWithTwoVectorsIsTwoQueries() throws IOException {
    Row one = RowFactory.create("same", vector(10_000));
    Row other = RowFactory.create("same", vector(10_001));
    List<Row> found =
        sorted(
            search()
                .nearest(spark.createDataFrame(List.of(one, one, other), SCHEMA), "id", "v", 4));
    assertThat(found).hasSize(12);
    assertThat(found.stream().map(row -> row.getInt(1)).distinct()).containsExactly(1, 2, 3, 4);
    assertThat(found.stream().map(row -> row.getString(2)).distinct().count()).isEqualTo(8);
  }

  @Test
  void aTransformerAddsTheNeighboursOfVectors() throws IOException {
    run(
        "search --codes %s --queries %s --vector_col v --id_col id --k 3 --rerank %s --out %s",
        "codes", "queries", "table", "by_command");
    NearestVectors stage =
        new NearestVectors()
            .setCodes(at("codes"))
            .setInputCol("v")
            .setK(3)
            .setRerank(at("table"))
            .setRerankVectorCol("v")
            .setRerankIdCol("id");
    stage.write().overwrite().save(at("stage"));
    Dataset<Row> twice = queries().union(queries().limit(1));
    List<Row> bare = List.of(RowFactory.create("bare", null));
    Dataset<Row> given =
        twice.union(
            spark.createDataFrame(
                bare, new StructType().add("id", "string").add("v", SCHEMA.apply("v").dataType())));
    Dataset<Row> found = NearestVectors.load(at("stage")).transform(given);
    assertThat(found.schema()).isEqualTo(stage.transformSchema(given.schema()));
    assertThat(found.count()).isEqualTo(42);
    assertThat(found.where("neighbours IS NULL").select("id").as(Encoders.STRING()).collectAsList())
        .containsExactly("bare");
    List<Row> single =
        found
            .dropDuplicates("id")
            .selectExpr("id AS query_id", "inline(neighbours)")
            .orderBy("query_id", "rank")
            .collectAsList();
    assertThat(single).isEqualTo(sorted(spark.read().parquet(at("by_command"))));
    assertThatThrownBy(() -> new NearestVectors().setInputCol("v").transform(given))
        .hasMessage("Set codes to a data set of codes with an index");
    assertThatThrownBy(() -> stage.setRerankIdCol("").transform(given))
        .isInstanceOf(SqueezeException.class);
  }

  @Test
  void queriesThatCannotBeComparedAreRefusedInOneSentence() {
    List<Row> bad = new ArrayList<>(rows(0, 2));
    bad.add(RowFactory.create("short", new float[] {1, 2}));
    write("bad", bad);
    Command strict =
        Command.run(
            "search",
            "--codes",
            at("codes"),
            "--queries",
            at("bad"),
            "--vector_col",
            "v",
            "--id_col",
            "id",
            "--on_bad_sample",
            "fail",
            "--out",
            at("never"));
    assertThat(strict.code()).isEqualTo(4);
    assertThat(strict.lastLine()).contains("2 values instead of 24, such as short");
    write("narrow", List.of(RowFactory.create("a", new float[] {1, 2})));
    Command narrow =
        Command.run(
            "search",
            "--codes",
            at("codes"),
            "--queries",
            at("narrow"),
            "--vector_col",
            "v",
            "--id_col",
            "id",
            "--out",
            at("never"));
    assertThat(narrow.lastLine())
        .contains("vectors of 2 values, the codes are of vectors of 24 (--queries)");
    Command none =
        Command.run(
            "search",
            "--codes",
            Shared.walk().codes("array"),
            "--queries",
            at("queries"),
            "--vector_col",
            "v",
            "--id_col",
            "id",
            "--out",
            at("never"));
    assertThat(none.code()).isEqualTo(4);
    assertThat(none.lastLine()).contains("There is no index beside", "run index --codes");
  }

  private static List<Row> content(Published index) {
    return index.indexed(spark, index.vectorFiles()).collectAsList();
  }

  @Test
  void theIndexDoesNotDependOnPartitionsAndGrowsByWhatIsNew() throws IOException {
    Published first = opened().published();
    assertThat(content(first)).hasSize(2400);
    assertThat(content(first).stream().map(row -> row.getInt(0)).toList()).isSorted();
    spark.conf().set("spark.sql.files.maxPartitionBytes", 1 << 14);
    spark.conf().set("spark.sql.files.openCostInBytes", 1);
    run(
        "encode --input %s --vector_col v --id_col id --checkpoint %s --codes %s",
        "table", "runs/fit/last.ckpt", "parts");
    Published parts = new IndexJob(session, at("parts"), null, 42).run();
    spark.conf().unset("spark.sql.files.maxPartitionBytes");
    spark.conf().unset("spark.sql.files.openCostInBytes");
    assertThat(content(parts)).isEqualTo(content(first));
    assertThat(parts.lists(spark).orderBy("list").collectAsList())
        .isEqualTo(first.lists(spark).orderBy("list").collectAsList());
    assertThat(new IndexJob(session, at("parts"), null, 42).run().path()).isEqualTo(parts.path());

    // Some go, one changes, some come.
    List<Row> next = new ArrayList<>(rows(100, 2600));
    next.set(0, RowFactory.create("r00100", vector(5)));
    write("next", next);
    run(
        "encode --input %s --vector_col v --id_col id --checkpoint %s --codes %s",
        "next", "runs/fit/last.ckpt", "moved");
    Published whole = new IndexJob(session, at("moved"), 49, 42).run();
    org.apache.commons.io.FileUtils.copyDirectory(
        Path.of(at("parts"), "index", "v1").toFile(), Path.of(at("grown"), "index", "v1").toFile());
    org.apache.commons.io.FileUtils.copyDirectory(
        Path.of(at("moved"), "v1").toFile(), Path.of(at("grown"), "v1").toFile());
    Published grown = new IndexJob(session, at("grown"), null, 42).run();
    assertThat(grown.path()).endsWith("/index/v2");
    List<Row> rows = content(grown);
    assertThat(rows).hasSize(2600);
    // The lists are those of before, and so are the lists of what was there.
    assertThat(grown.lists(spark).select(Columns.CENTROID).collectAsList())
        .isEqualTo(first.lists(spark).select(Columns.CENTROID).collectAsList())
        .isNotEqualTo(whole.lists(spark).select(Columns.CENTROID).collectAsList());
    assertThat(
            rows.stream()
                .filter(
                    row ->
                        row.getString(1).compareTo("r00100") > 0
                            && row.getString(1).compareTo("r02400") < 0)
                .toList())
        .isEqualTo(
            content(first).stream()
                .filter(row -> row.getString(1).compareTo("r00100") > 0)
                .toList());
    assertThat(rows.stream().map(row -> row.getString(1)))
        .contains("r00100", "r02699")
        .doesNotContain("r00099");
  }

  @Test
  void aListOfHalfOfAllVectorsHasSeveralFilesAndIsFoundWhole() throws IOException {
    ListPlan plan = ListPlan.of(new long[] {3, 100, 0, 5, 4}, 10);
    assertThat(plan.first()).containsExactly(0, 1, 10, 11, 11);
    assertThat(plan.last()).containsExactly(0, 10, 10, 11, 11);
    assertThat(
            IntStream.range(0, 1000)
                .map(i -> plan.file(1, "r" + i, 0))
                .distinct()
                .sorted()
                .toArray())
        .containsExactly(IntStream.rangeClosed(1, 10).toArray());
    int[] keys = ListPlan.keys(5);
    List<Row> placed =
        spark
            .createDataset(
                IntStream.range(0, 5).mapToObj(i -> keys[i]).toList(),
                org.apache.spark.sql.Encoders.INT())
            .repartition(5, col("value"))
            .selectExpr("value", "spark_partition_id()")
            .collectAsList();
    assertThat(placed).allMatch(row -> keys[row.getInt(1)] == row.getInt(0));

    List<Row> rows = new ArrayList<>(rows(0, 500));
    for (int i = 0; i < 600; i++) {
      rows.add(RowFactory.create("s%05d".formatted(i), vector(3)));
    }
    write("skewed", rows);
    run(
        "encode --input %s --vector_col v --id_col id --checkpoint %s --codes %s",
        "skewed", "runs/fit/last.ckpt", "skewed_codes");
    new IndexJob(session, at("skewed_codes"), null, 42).run();
    Row query = RowFactory.create("q", vector(3));
    List<Row> found =
        sorted(
            CodeSearch.open(session, at("skewed_codes"))
                .nearest(
                    Queries.of(spark.createDataFrame(List.of(query), SCHEMA), "id", "v"),
                    new CodeSearch.Request(601, 1 << 16, null)));
    assertThat(found).hasSize(601);
    assertThat(found.get(0).getString(2)).isEqualTo("r00003");
    assertThat(found.get(600).getString(2)).isEqualTo("s00599");
  }

  @Test
  void vectorsOfGridsAreFoundByIdAndPosition() throws IOException {
    String codes = Shared.walk().codes("array");
    org.apache.commons.io.FileUtils.copyDirectory(
        Path.of(codes, "v1").toFile(), Path.of(at("grids"), "v1").toFile());
    Published index = new IndexJob(session, at("grids"), null, 42).run();
    SourceVectors source =
        SourceVectors.open(
            session,
            new SourceVectors.Named(Shared.walk().embeddings(), "--queries", null, null),
            io.squeeze.jobs.model.BadRows.of(io.squeeze.config.Settings.defaults().data()));
    assertThat(content(index)).hasSize((int) source.rows().count());
    Row asked = source.rows().orderBy(Columns.SAMPLE_ID, Columns.POSITION).takeAsList(3).get(2);
    float[] vector = VectorColumn.floats(asked.get(2));
    CodeSearch search = CodeSearch.open(session, at("grids"));
    List<Row> found =
        sorted(
            search.nearest(
                spark.createDataFrame(List.of(RowFactory.create("q", vector)), SCHEMA),
                "id",
                "v",
                3));
    assertThat(found).hasSize(3);
    assertThat(found.get(0).getDouble(4)).isLessThanOrEqualTo(found.get(1).getDouble(4));

    // Whole photos: the measure that code_distance has.
    run(
        "search --codes %s --queries %s --k 3 --out %s",
        "grids", Shared.walk().embeddings(), "photos");
    List<Row> photos = sorted(spark.read().parquet(at("photos")));
    assertThat(photos).hasSize(108).allMatch(row -> row.isNullAt(3));
    spark
        .sql("SELECT * FROM parquet.`%s/v1/codes`".formatted(at("grids")))
        .createOrReplaceTempView("grids");
    String id = photos.get(0).getString(0);
    source
        .rows()
        .where(col(Columns.SAMPLE_ID).equalTo(id))
        .createOrReplaceTempView("vectors_of_one");
    List<Row> exact =
        spark
            .sql(
                """
                SELECT g.sample_id, code_distance(g.codes, q.v, '%s') AS distance
                FROM grids g CROSS JOIN (
                  SELECT flatten(transform(array_sort(collect_list(struct(position, vector))), s -> s.vector)) AS v
                  FROM vectors_of_one) q
                ORDER BY distance, sample_id LIMIT 3
                """
                    .formatted(at("grids")))
            .collectAsList();
    for (int i = 0; i < 3; i++) {
      assertThat(photos.get(i).getString(2)).isEqualTo(exact.get(i).getString(0));
      assertThat(photos.get(i).getDouble(4)).isCloseTo(exact.get(i).getDouble(1), within(1e-4));
    }
    List<Row> views =
        new io.squeeze.jobs.query.Workspace(spark, folder.toString())
            .views()
            .get("index")
            .where("data_set = 'grids'")
            .collectAsList();
    assertThat(views).hasSize(content(index).size());
    assertThatThrownBy(() -> new CodeSearch.Request(0, 1, null))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("k is 0");
  }

  @Test
  void theJoinOfSpark42BecomesASearchAndExactStaysExact() throws IOException {
    SparkSession extended = extended();
    String codes = at("codes");
    extended
        .sql("SELECT * FROM parquet.`%s/v1/codes`".formatted(codes))
        .createOrReplaceTempView("coded");
    String join =
        """
        SELECT asked.name, coded.sample_id, code_distance(coded.codes, asked.x, '%s') AS distance
        FROM asked %s JOIN coded %s NEAREST 4 BY DISTANCE code_distance(coded.codes, asked.x, '%s')
        """;
    String approx = join.formatted(codes, "", "APPROX", codes);
    String plan = extended.sql("EXPLAIN " + approx).head().getString(0);
    assertThat(plan).contains("NearestCodes k=4, ").doesNotContain("NestedLoop");
    assertThat(plan).contains(" of 49 lists of ");
    List<Row> found = extended.sql(approx).orderBy("name", "distance", "sample_id").collectAsList();
    List<Row> same =
        search()
            .nearest(queries().where("id < 'r10005'"), "id", "v", 4)
            .select("query_id", "sample_id")
            .collectAsList();
    assertThat(found.stream().map(row -> row.getString(0) + row.getString(1)))
        .containsExactlyInAnyOrderElementsOf(
            same.stream().map(row -> row.getString(0) + row.getString(1)).toList());
    String exact = join.formatted(codes, "", "EXACT", codes);
    assertThat(extended.sql("EXPLAIN " + exact).head().getString(0)).doesNotContain("NearestCodes");
    List<Row> outer =
        extended.sql(join.formatted(codes, "LEFT OUTER", "APPROX", codes)).collectAsList();
    assertThat(outer).hasSize(21);
    assertThat(outer.stream().filter(row -> row.isNullAt(1)).map(row -> row.getString(0)))
        .containsExactly("without");
    // Of some rows of the codes, only Spark can say which are the nearest.
    String some =
        approx.replace(
            "JOIN coded", "JOIN (SELECT * FROM coded WHERE sample_id LIKE '%3') AS coded");
    assertThat(extended.sql("EXPLAIN " + some).head().getString(0)).doesNotContain("NearestCodes");
  }

  @Test
  void theJoinWithAnIndexedTableMeasuresItsVectors() {
    SparkSession extended = extended();
    extended.sql(
        "CREATE OR REPLACE TEMP VIEW t AS SELECT * FROM parquet.`%s`".formatted(at("table")));
    String join =
        """
        SELECT asked.name, t.id, vector_l2_distance(asked.x, t.v) AS distance
        FROM asked JOIN t %s NEAREST 4 BY DISTANCE vector_l2_distance(asked.x, t.v)
        """;
    String approx = join.formatted("APPROX");
    assertThat(plan(extended, approx)).doesNotContain("NearestCodes");
    extended.conf().set(IndexedTable.SETTING, " " + at("codes"));
    assertThat(plan(extended, approx))
        .contains("NearestCodes k=4, ", " of 49 lists of ", "measured again by " + at("table"))
        .doesNotContain("NestedLoop");
    assertThat(plan(extended, join.formatted("EXACT"))).doesNotContain("NearestCodes");
    List<Row> exact = answered(extended, join.formatted("EXACT"));
    List<Row> found = answered(extended, approx);
    assertThat(found).hasSameSizeAs(exact).hasSize(20);
    assertThat(found.stream().filter(exact::contains).count()).isGreaterThanOrEqualTo(19);
    String some = approx.replace("JOIN t", "JOIN (SELECT * FROM t WHERE id LIKE '%3') AS t");
    assertThat(plan(extended, some)).doesNotContain("NearestCodes");
    String most = approx.replace("NEAREST 4", "NEAREST 10000");
    assertThat(extended.sql(most).where("name = 'r10001'").count()).isEqualTo(2400);
    // Vectors of all lengths: the nearest are not the most similar.
    String similar =
        "SELECT asked.name, u.id FROM asked LEFT JOIN u APPROX NEAREST 4 BY SIMILARITY"
            + " vector_cosine_similarity(u.v, asked.x)";
    assertThat(plan(extended, similar.replace("u.", "t.").replace("JOIN u", "JOIN t")))
        .doesNotContain("NearestCodes");
    extended.conf().set(IndexedTable.SETTING, at("runs"));
    assertThatThrownBy(() -> extended.sql(approx))
        .hasMessageContaining("runs (" + IndexedTable.SETTING);

    extended
        .sql("SELECT int(substr(id, 2)) AS id, vector_normalize(v) AS v FROM t")
        .coalesce(1)
        .write()
        .parquet(at("units"));
    run(
        "train --input %s --vector_col v --id_col id --quantizer_type rvq --codebook_size 16"
            + " --num_quantizers 4 --bottleneck_dim 10 --output_dir %s --experiment_name units",
        "units", "runs");
    run(
        "encode --input %s --vector_col v --id_col id --checkpoint %s --codes %s",
        "units", "runs/units/last.ckpt", "unitcodes");
    run("index --codes %s", "unitcodes");
    extended.sql("SELECT * FROM parquet.`%s`".formatted(at("units"))).createOrReplaceTempView("u");
    extended.conf().set(IndexedTable.SETTING, at("codes") + "," + at("unitcodes"));
    assertThat(plan(extended, similar)).contains("NearestCodes k=4");
    Dataset<Row> once = extended.sql(similar).cache();
    assertThat(plan(once)).contains("InMemoryTableScan");
    once.unpersist();
    exact = answered(extended, similar.replace("APPROX", "EXACT"));
    found = answered(extended, similar);
    assertThat(found).hasSameSizeAs(exact).hasSize(21);
    assertThat(found.stream().filter(exact::contains).count()).isGreaterThanOrEqualTo(20);
    // Spark reads some of the files only.
    extended
        .read()
        .option("pathGlobFilter", "*.none")
        .schema("id int, v array<float>")
        .parquet(at("units"))
        .createOrReplaceTempView("none");
    assertThat(plan(extended, similar.replace("u.", "none.").replace("JOIN u", "JOIN none")))
        .doesNotContain("NearestCodes");
    // The index knows nothing of what came later; ids that repeat join no rows.
    extended.sql("SELECT * FROM u LIMIT 1").write().mode("append").parquet(at("units"));
    extended.sql("SELECT * FROM parquet.`%s`".formatted(at("units"))).createOrReplaceTempView("u");
    assertThat(plan(extended, similar)).doesNotContain("NearestCodes");
    run(
        "encode --input %s --vector_col v --id_col id --checkpoint %s --codes %s",
        "units", "runs/units/last.ckpt", "unitcodes");
    assertThat(plan(extended, similar)).doesNotContain("NearestCodes");
    run("index --codes %s", "unitcodes");
    assertThat(plan(extended, similar)).doesNotContain("NearestCodes");
  }

  private static String plan(SparkSession extended, String query) {
    return plan(extended.sql(query));
  }

  private static String plan(Dataset<Row> rows) {
    return rows.queryExecution().executedPlan().toString();
  }

  private static List<Row> answered(SparkSession extended, String query) {
    return extended.sql(query).collectAsList();
  }

  /** A session with the rule for joins, and a view of five queries and one without a vector. */
  private static SparkSession extended() {
    assumeTrue(SparkBuild.read().line().equals("4.2"));
    // Rules come with a session's start.
    SparkSession.clearActiveSession();
    SparkSession.clearDefaultSession();
    spark.sparkContext().conf().set("spark.sql.extensions", SqueezeExtensions.class.getName());
    SparkSession extended = SparkSession.builder().getOrCreate();
    List<Row> asked = new ArrayList<>(rows(10_000, 5));
    asked.add(RowFactory.create("without", null));
    StructType nullable =
        new StructType()
            .add("name", DataTypes.StringType)
            .add("x", DataTypes.createArrayType(DataTypes.FloatType, false));
    extended.createDataFrame(asked, nullable).createOrReplaceTempView("asked");
    return extended;
  }
}
