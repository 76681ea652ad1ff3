package io.squeeze.jobs.dedup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.config.Seeds;
import io.squeeze.jobs.Command;
import io.squeeze.jobs.Shared;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which vectors of a table are near-duplicates, and which of them stays. */
class DedupIT {
  private static final int WIDTH = 24;
  private static final StructType SCHEMA =
      new StructType()
          .add("id", DataTypes.StringType, false)
          .add("v", DataTypes.createArrayType(DataTypes.FloatType, false), false)
          .add("pixels", DataTypes.LongType, true);

  @TempDir private static Path folder;
  private static SparkSession spark;

  @BeforeAll
  static void start() {
    spark = Shared.session();
  }

  private static String at(String name) {
    return folder.resolve(name).toString();
  }

  private static float[] vector(int i) {
    SplittableRandom random = Seeds.random(i, "row");
    float[] vector = new float[WIDTH];
    for (int j = 0; j < WIDTH; j++) {
      vector[j] = (float) Seeds.gaussian(random);
    }
    return vector;
  }

  /** Another vector at this cosine. */
  private static float[] near(float[] x, double cosine, int seed) {
    float[] other = vector(seed);
    double along = 0;
    double squares = 0;
    for (int j = 0; j < WIDTH; j++) {
      along += other[j] * x[j];
      squares += (double) x[j] * x[j];
    }
    double rest = 0;
    for (int j = 0; j < WIDTH; j++) {
      other[j] -= (float) (along / squares * x[j]);
      rest += (double) other[j] * other[j];
    }
    float[] near = new float[WIDTH];
    double weight = Math.sqrt((1 - cosine * cosine) * squares / rest);
    for (int j = 0; j < WIDTH; j++) {
      // Longer, which a cosine does not see.
      near[j] = (float) (3 * (cosine * x[j] + weight * other[j]));
    }
    return near;
  }

  private static void write(String name, List<Row> rows, int parts) {
    spark.createDataFrame(rows, SCHEMA).repartition(parts).write().parquet(at(name));
  }

  private static Command dedup(String input, String out, String... more) {
    List<String> words =
        new ArrayList<>(
            List.of(
                "dedup",
                "--input",
                at(input),
                "--vector_col",
                "v",
                "--id_col",
                "id",
                "--out",
                at(out)));
    words.addAll(List.of(more));
    return Command.run(words.toArray(String[]::new));
  }

  private static Map<String, Row> result(Command command, String out) {
    assertThat(command.code()).as(command.err()).isZero();
    Map<String, Row> rows = new HashMap<>();
    spark.read().parquet(at(out)).collectAsList().forEach(row -> rows.put(row.getString(0), row));
    return rows;
  }

  @Test
  void plantedPairsAreFoundNearMissesStayAndBytesDoNotDependOnPartitions() throws IOException {
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < 1500; i++) {
      rows.add(RowFactory.create("v%05d".formatted(i), vector(i), null));
      if (i % 5 == 0) {
        double close = 0.952 + 0.04 * (i % 11) / 11;
        rows.add(RowFactory.create("w%05d".formatted(i), near(vector(i), close, 5000 + i), null));
        rows.add(RowFactory.create("x%05d".formatted(i), near(vector(i), 0.93, 9000 + i), null));
      }
    }
    rows.add(RowFactory.create("zeros1", new float[WIDTH], null));
    rows.add(RowFactory.create("zeros2", new float[WIDTH], null));
    write("planted", rows, 1);
    Collections.shuffle(rows, new Random(1));
    write("shuffled", rows, 5);
    Map<String, Row> found = result(dedup("planted", "out1"), "out1");
    assertThat(result(dedup("shuffled", "out2"), "out2")).isEqualTo(found);
    assertThat(found).hasSize(2102);
    long dropped = found.values().stream().filter(row -> !row.getBoolean(1)).count();
    assertThat(dropped).isBetween(299L, 300L);
    for (Row row : found.values()) {
      if (row.getBoolean(1)) {
        assertThat(row.getString(2)).isEqualTo(row.getString(0));
        assertThat(row.isNullAt(3)).isTrue();
      } else {
        assertThat(row.getString(0)).startsWith("w");
        assertThat(row.getString(2)).isEqualTo("v" + row.getString(0).substring(1));
        int i = Integer.parseInt(row.getString(0).substring(1));
        assertThat(row.getDouble(3)).isCloseTo(0.952 + 0.04 * (i % 11) / 11, within(1e-6));
      }
    }
    JsonNode summary =
        new ObjectMapper().readTree(Files.readString(folder.resolve("out1/_summary.json")));
    assertThat(summary.at("/dropped").asLong()).isEqualTo(dropped);
    assertThat(summary.at("/groups").asLong()).isEqualTo(dropped);
    assertThat(summary.at("/similarities/0.95").asLong()).isBetween(50L, 110L);
    assertThat(dedup("planted", "out1").lastLine()).contains("There is something at");
  }

  @Test
  void aChainIsOneGroupAndTheLargestOfAColumnStays() {
    List<Row> rows = new ArrayList<>();
    // Every neighbour of the chain is near, its ends are not.
    for (int i = 0; i < 16; i++) {
      double angle = 0.1 * i;
      float[] vector = new float[WIDTH];
      vector[0] = (float) Math.cos(angle);
      vector[1] = (float) Math.sin(angle);
      Long pixels = i == 10 ? Long.valueOf(999) : Long.valueOf(i);
      rows.add(RowFactory.create("c%02d".formatted(i), vector, i == 3 ? null : pixels));
    }
    write("chain", rows, 3);
    Map<String, Row> first = result(dedup("chain", "first", "--threshold", "0.99"), "first");
    assertThat(first.values()).allMatch(row -> row.getString(2).equals("c00"));
    Map<String, Row> largest =
        result(dedup("chain", "largest", "--threshold", "0.99", "--keep", "pixels"), "largest");
    assertThat(largest.values()).allMatch(row -> row.getString(2).equals("c10"));
    Map<String, Row> distance =
        result(dedup("chain", "distance", "--metric", "l2", "--threshold", "0.09"), "distance");
    assertThat(distance.values()).allMatch(row -> row.getBoolean(1));
    assertThat(dedup("chain", "never", "--metric", "l2").lastLine())
        .contains("A largest distance is needed with l2 (--threshold)");
    assertThat(dedup("chain", "never", "--keep", "id").lastLine())
        .contains("The column id is string: the largest number, date or time stays (--keep)");
    assertThat(dedup("chain", "never", "--threshold", "1.5").code()).isEqualTo(2);
  }

  @Test
  void oneVectorForHalfOfTheTableIsOneGroup() {
    List<Row> rows =
        new ArrayList<>(
            IntStream.range(0, 20_000)
                .mapToObj(i -> RowFactory.create("s%05d".formatted(i), vector(1), null))
                .toList());
    IntStream.range(0, 20_000)
        .forEach(i -> rows.add(RowFactory.create("t%05d".formatted(i), vector(i + 2), null)));
    write("skewed", rows, 2);
    Command command = dedup("skewed", "one", "--threshold", "0.9");
    Map<String, Row> found = result(command, "one");
    assertThat(
            found.values().stream()
                .filter(row -> row.getString(0).startsWith("s"))
                .map(row -> row.getString(2))
                .distinct())
        .containsExactly("s00000");
    assertThat(command.err()).contains("compared with one vector of each group alone");
  }

  @Test
  void idsThatRepeatAreRefused() {
    write(
        "repeated",
        List.of(RowFactory.create("a", vector(1), null), RowFactory.create("a", vector(2), null)),
        1);
    Command command = dedup("repeated", "never");
    assertThat(command.code()).isEqualTo(4);
    assertThat(command.lastLine()).contains("1 ids", "an id must name one row");
  }

  @Test
  void photosAreComparedByTheirGridsAndByTheirCodes() {
    for (String pool : List.of("mean", "grid")) {
      Command grids =
          Command.run(
              "dedup",
              "--input",
              Shared.walk().embeddings(),
              "--pool",
              pool,
              "--threshold",
              "0.999999",
              "--out",
              at("grids_" + pool));
      assertThat(result(grids, "grids_" + pool)).hasSize(36);
    }
    Command codes =
        Command.run("dedup", "--codes", Shared.walk().codes("array"), "--out", at("of_codes"));
    assertThat(result(codes, "of_codes")).hasSize(36);
    assertThat(codes.out()).contains("means of the grids of decoded vectors");
  }
}
