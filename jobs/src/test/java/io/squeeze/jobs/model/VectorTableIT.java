package io.squeeze.jobs.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tables as pyarrow, pandas and DuckDB write them (test/resources/field, 200 rows of 16 values).
 */
class VectorTableIT {
  private static final Path FIELD = Path.of("src/test/resources/field");
  private static final BadRows USUAL = BadRows.of(Settings.defaults().data());

  @TempDir private static Path folder;
  private static SparkSession spark;
  private static SqueezeSession session;

  @BeforeAll
  static void start() {
    spark = Shared.session();
    session = Fixture.squeeze(spark);
  }

  private static VectorTable open(Path path) throws IOException {
    return VectorTable.open(session, path.toString(), "v", "id", USUAL);
  }

  @ParameterizedTest
  @ValueSource(strings = {"ns", "time", "uuid", "case", "bss"})
  void aColumnThatNobodyAskedForAndAnEncodingDoNoHarm(String name) throws IOException {
    VectorTable table = open(FIELD.resolve(name + ".parquet"));
    assertThat(table.count()).isEqualTo(200);
    assertThat(table.channels()).isEqualTo(16);
    List<Row> rows = table.rows().collectAsList();
    assertThat(rows).hasSize(200);
    assertThat(rows.get(7).getList(1)).hasSize(16);
  }

  @Test
  void bytesThatNameRowsStayDifferent() throws IOException {
    VectorTable table = open(FIELD.resolve("bin.parquet"));
    assertThat(table.rows().select(Columns.SAMPLE_ID).distinct().count()).isEqualTo(200);
    assertThat(table.rows().head().getString(0)).matches("[0-9a-f]{6}");
    assertThat(table.repeated().ids()).isZero();
  }

  @Test
  void aChecksumThatAnEarlierWriterLeftIsNamed() {
    assertThatThrownBy(() -> open(FIELD.resolve("stale.parquet")))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("/.stale.parquet.crc, which an earlier writer left");
  }

  private static Dataset<Row> sql(String query) {
    return spark.sql(query);
  }

  private static Path written(String name, String query) {
    Path path = folder.resolve(name);
    sql(query).write().parquet(path.toString());
    return path;
  }

  @Test
  void everyFileBelongsToTheTableAtAnyDepthAndByAPattern() throws IOException {
    Path table = folder.resolve("deep");
    for (String part : List.of("a", "b/c", "b/c/d")) {
      sql("SELECT '" + part + "' AS id, array(1f, 2f) AS v")
          .write()
          .parquet(table.resolve(part).toString());
    }
    assertThat(open(table).rows().count()).isEqualTo(3);
    assertThat(open(table.resolve("b/*")).rows().count()).isEqualTo(2);
    assertThat(open(table.resolve("*/part-*.parquet")).count()).isEqualTo(1);
  }

  @Test
  void foldersThatAreColumnsAreText() throws IOException {
    Path table = folder.resolve("hive");
    for (String id : List.of("001", "01", "1")) {
      sql("SELECT array(1f, 2f) AS v").write().parquet(table.resolve("id=" + id).toString());
    }
    assertThat(open(table).rows().collectAsList())
        .extracting(row -> row.getString(0))
        .containsExactlyInAnyOrder("001", "01", "1");
  }

  @Test
  void numbersOfAnyTypeAreVectorsAlsoMixed() throws IOException {
    for (String type : List.of("tinyint", "smallint", "int", "bigint", "double")) {
      Path path =
          written(
              type, "SELECT id, cast(array(1, 2, id) AS array<" + type + ">) AS v FROM range(5)");
      Row row = open(path).rows().where("sample_id = '3'").head();
      assertThat(VectorColumn.floats(row.get(1))).containsExactly(1, 2, 3);
    }
    // float16 as pyarrow stores it: two bytes each.
    Row half =
        open(written("half", "SELECT 'a' AS id, array(X'003C', X'00C0') AS v")).rows().head();
    assertThat(VectorColumn.floats(half.get(1))).containsExactly(1, -2);
    Path mixed = folder.resolve("mixed");
    sql("SELECT 'a' AS id, array(1f, 2f) AS v").write().parquet(mixed.resolve("0").toString());
    sql("SELECT 'b' AS id, array(3d, 4d) AS v").write().parquet(mixed.resolve("1").toString());
    assertThat(open(mixed).rows().count()).isEqualTo(2);
    StructType schema =
        new StructType().add("id", "string").add("v", SQLDataTypes.VectorType(), false);
    spark
        .createDataFrame(List.of(RowFactory.create("a", Vectors.dense(5, 6))), schema)
        .write()
        .parquet(folder.resolve("ml").toString());
    Row vector = open(folder.resolve("ml")).rows().head();
    assertThat(VectorColumn.floats(vector.get(1))).containsExactly(5, 6);
  }

  private static final String BAD =
      """
      SELECT id, CASE WHEN id = 0 THEN array() WHEN id = 3 THEN array(1f, float('NaN'))
        WHEN id = 4 THEN NULL WHEN id = 5 THEN array(1f, NULL) ELSE array(1f, 2f) END AS v
      FROM range(%d)
      """;

  @Test
  void rowsWithoutAVectorAreNamedAndCountedAndFewAreLeftOut() throws IOException {
    Path many = written("many", BAD.formatted(20));
    assertThatThrownBy(() -> open(many))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("The column v of ")
        .hasMessageContaining(" has no usable vector in 4 of 20 rows: ")
        .hasMessageContaining("1 with 0 values instead of 2, such as 0")
        .hasMessageContaining("1 with NaN, infinity, or what is none as float32, such as 3")
        .hasMessageContaining("1 with null, such as 4")
        .hasMessageContaining("1 with a null among the values, such as 5")
        .hasMessageContaining("--max_bad_fraction (0.01)");
    Path few = written("few", BAD.formatted(800));
    assertThat(open(few).count()).isEqualTo(796);
    assertThat(open(few).rows().count()).isEqualTo(796);
    assertThatThrownBy(
            () -> VectorTable.open(session, few.toString(), "v", "id", new BadRows(true, 1)))
        .hasMessageContaining("--on_bad_sample skip");
    Path none = written("none", "SELECT 1 AS id, cast(NULL AS array<float>) AS v");
    assertThatThrownBy(() -> open(none))
        .hasMessageContaining("There are no vectors in the column v of ");
    Path unnamed = written("unnamed", "SELECT nullif(id, 2) AS id, array(1f) AS v FROM range(4)");
    assertThatThrownBy(() -> open(unnamed))
        .hasMessageContaining("The column id of ")
        .hasMessageContaining(" is null in 1 of 4 rows (--id_col)");
  }

  @Test
  void idsThatRepeatAreCounted() throws IOException {
    Path path = written("chunks", "SELECT id DIV 3 AS id, array(1f, 2f) AS v FROM range(7)");
    VectorTable.Repeated repeated = open(path).repeated();
    assertThat(repeated).isEqualTo(new VectorTable.Repeated(2, 6, "0"));
    assertThat(repeated.sentence("T"))
        .isEqualTo("2 ids of T stand for 6 rows, such as 0 (--id_col)");
  }

  @Test
  void whatCannotBeReadIsSaidWithTheColumn() throws IOException {
    Path path = written("plain", "SELECT 1 AS id, 'x' AS v");
    assertThatThrownBy(() -> open(path)).hasMessageContaining("The column v is string");
    assertThatThrownBy(() -> VectorTable.open(session, path.toString(), "w", "id", USUAL))
        .hasMessageContaining("There is no column w in ")
        .hasMessageContaining("there are id, v");
    Path text = Files.writeString(folder.resolve("text.parquet"), "no Parquet");
    assertThatThrownBy(() -> open(text)).hasMessageContaining("Cannot read ");
    Path empty = Files.createDirectory(folder.resolve("empty"));
    assertThatThrownBy(() -> open(empty)).hasMessageContaining("holds no files (--input)");
    assertThatThrownBy(() -> open(folder.resolve("gone"))).hasMessageContaining("No table at ");
  }

  @Test
  void aFileThatChangesInPlaceIsAnotherTable() throws IOException {
    Path path = written("day", "SELECT 1 AS id, array(1f, 2f) AS v");
    String before = open(path).digest();
    assertThat(open(path).digest()).isEqualTo(before);
    try (var files = Files.list(path)) {
      Path file = files.filter(f -> f.toString().endsWith(".parquet")).findFirst().orElseThrow();
      Files.setLastModifiedTime(
          file, java.nio.file.attribute.FileTime.fromMillis(1_000_000_000_000L));
    }
    assertThat(open(path).digest()).isNotEqualTo(before);
  }
}
