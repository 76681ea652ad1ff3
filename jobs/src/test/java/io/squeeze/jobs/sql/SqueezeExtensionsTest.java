package io.squeeze.jobs.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.jobs.Shared;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SqueezeExtensionsTest {
  private static final String TABLE =
      """
      VALUES (1, array(3f, 4f), X'0000404000008040'), (2, array(0f, 0f), X'0000000000000000'),
             (3, array(3f, NULL), NULL) AS t(id, a, b)
      """;

  private static SparkSession spark;

  @BeforeAll
  static void start() {
    spark = Shared.session();
    SqueezeExtensions.register(spark);
  }

  private static Row first(String sql) {
    return spark.sql(sql).head();
  }

  @Test
  void vectorsAreComparedWhateverHoldsThem() {
    String query =
        """
        SELECT cosine_similarity(a, array(4, 3)), l2_distance(a, array(4.0, 3.0)),
               cosine_similarity(b, b), l2_distance(b, X'0000000000000000')
        FROM %s WHERE id = 1
        """;
    Row row = first(query.formatted(TABLE));
    assertThat(row.getDouble(0)).isEqualTo(0.96);
    assertThat(row.getDouble(1)).isEqualTo(Math.sqrt(2));
    assertThat(row.getDouble(2)).isEqualTo(1);
    assertThat(row.getDouble(3)).isEqualTo(5);
  }

  @Test
  void whatCannotBeComparedIsNull() {
    String query =
        "SELECT cosine_similarity(a, a), l2_distance(a, a), cosine_similarity(b, b) FROM ";
    Row zeros = first(query + TABLE + " WHERE id = 2");
    assertThat(zeros.isNullAt(0)).isTrue();
    assertThat(zeros.getDouble(1)).isZero();
    Row nulls = first(query + TABLE + " WHERE id = 3");
    assertThat(nulls.isNullAt(0) && nulls.isNullAt(1) && nulls.isNullAt(2)).isTrue();
  }

  @Test
  void vectorsOfTwoLengthsAreRefused() {
    assertThatThrownBy(() -> first("SELECT l2_distance(a, array(1f)) FROM " + TABLE))
        .hasStackTraceContaining("Cannot compare a vector of 2 values with one of 1");
  }

  @Test
  void aConstantMayStandWithAColumnOfATable(@TempDir Path folder) {
    String table = folder.resolve("t").toString();
    spark.sql("SELECT * FROM " + TABLE).write().parquet(table);
    String query =
        """
        SELECT cosine_similarity(a, array(4, 3)), l2_distance(array(0f, 0f), a),
               cosine_similarity(b, array(3f, 4f)), l2_distance(b, array(0, 0))
        FROM parquet.`%s` WHERE id = 1
        """;
    Row row = first(query.formatted(table));
    assertThat(row).hasToString("[0.96,5.0,1.0,5.0]");
  }

  @Test
  void masksAreComparedClassByClass() {
    assertThat(
            first(
                "SELECT iou(X'000101', X'010101', 1), iou(X'0001', X'FF01', 0), iou(X'00', NULL, 0)"))
        .hasToString("[0.6666666666666666,null,null]");
  }

  /** The examples give what they say, but those of a model and of files that a user has. */
  @Test
  void theExamplesAreTrue() {
    int run = 0;
    for (SqlFunction function : SqueezeExtensions.all()) {
      String query = function.examples().get(0);
      if (!query.contains("codes/") && !query.contains("outputs/")) {
        String cast = "SELECT concat('', cast(c AS string)) FROM (" + query + ") AS t(c)";
        boolean nested = function.name().contains("histogram") || query.contains("embedding");
        String found =
            nested
                ? first("SELECT to_json(c) FROM (" + query + ") AS t(c)").getString(0)
                : first(cast).getString(0);
        assertThat(found).as(query).isEqualTo(function.examples().get(1));
        run++;
      }
    }
    assertThat(run).isGreaterThanOrEqualTo(6);
  }

  /** On Spark 4.2 by Spark's own functions, before by ours. */
  @Test
  void vectorFunctionsAnswerAsThoseOfSpark42() throws IOException {
    List<String> lines =
        Files.readAllLines(Path.of("src/test/resources/goldens/vector-functions.tsv"));
    for (String line : lines.subList(1, lines.size())) {
      String[] golden = line.split("\t", -1);
      String query =
          "SELECT concat(typeof(c), ' ', to_json(struct(c))) FROM (SELECT %s AS c)"
              .formatted(golden[0]);
      if (golden[1].equals("error")) {
        assertThatThrownBy(() -> first(query)).as(golden[0]).isInstanceOf(Exception.class);
      } else {
        assertThat(rounded(first(query).getString(0))).as(golden[0]).isEqualTo(rounded(golden[1]));
      }
    }
  }

  /** Spark adds up in float, ours in double. */
  private static String rounded(String json) {
    return Pattern.compile("\\d+\\.\\d+")
        .matcher(json)
        .replaceAll(number -> "%.5f".formatted(Double.parseDouble(number.group())));
  }

  @Test
  void aFunctionDescribesItself() {
    for (SqlFunction function : SqueezeExtensions.all()) {
      assertThat(
              spark.sql("DESCRIBE FUNCTION EXTENDED " + function.name()).collectAsList().toString())
          .contains(function.name() + "(", "> SELECT ");
    }
    assertThat(spark.sql("DESCRIBE FUNCTION EXTENDED cosine_similarity").collectAsList().toString())
        .contains("cosine_similarity(a, b) - Returns the cosine", "> SELECT cosine_similarity");
  }

  @Test
  void theExtensionBringsTheFunctions() {
    SparkSession plain = spark.newSession();
    assertThat(plain.catalog().functionExists("l2_distance")).isFalse();
    SparkSession.clearActiveSession();
    SparkSession.clearDefaultSession();
    spark.sparkContext().conf().set("spark.sql.extensions", SqueezeExtensions.class.getName());
    SparkSession extended = SparkSession.builder().getOrCreate();
    assertThat(extended.sql("SELECT l2_distance(array(1f), array(3f))").head().getDouble(0))
        .isEqualTo(2);
  }
}
