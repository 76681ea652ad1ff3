package io.squeeze.jobs;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.spark.util.AccumulatorV2;
import org.junit.jupiter.api.Test;

/** The arrows between the rooms: see ARCHITECTURE.md. */
class ArchitectureTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .withImportOption(location -> !location.contains("-tests.jar"))
          .importPackages("io.squeeze");

  /** What a room of common may use beside itself and config. */
  private static final Map<String, List<String>> ROOMS =
      Map.ofEntries(
          Map.entry("config", List.of()),
          Map.entry("storage", List.of()),
          Map.entry("image", List.of("storage")),
          Map.entry("dataset", List.of("image", "storage")),
          Map.entry("weights", List.of("storage")),
          Map.entry("torch", List.of("weights")),
          Map.entry("backbone", List.of("weights", "torch", "image", "storage")),
          Map.entry("quantize", List.of("torch", "weights")),
          Map.entry("metric", List.of()),
          Map.entry("codec", List.of("metric")),
          Map.entry("search", List.of("quantize", "torch", "weights")),
          Map.entry("segment", List.of("quantize", "torch", "weights")),
          Map.entry(
              "train", List.of("segment", "quantize", "metric", "torch", "weights", "storage")),
          Map.entry("track", List.of("storage")),
          Map.entry("report", List.of("metric", "image")));

  /** The rooms that jobs are built on: each uses those before it. */
  private static final List<String> BASE =
      List.of("storage", "console", "photo", "spark", "publish", "run", "fit", "model");

  /** One job each, and the jobs whose entry it may use beside the rooms above. */
  private static final Map<String, List<String>> JOBS =
      Map.ofEntries(
          Map.entry("sql", List.of("search")),
          Map.entry("ml", List.of("train", "search")),
          Map.entry("extract", List.of()),
          Map.entry("predict", List.of("extract")),
          Map.entry("export", List.of()),
          Map.entry("encode", List.of()),
          Map.entry("evaluate", List.of()),
          Map.entry("search", List.of()),
          Map.entry("dedup", List.of()),
          Map.entry("gc", List.of()),
          Map.entry("doctor", List.of()),
          Map.entry("train", List.of("extract")),
          Map.entry("visualize", List.of("evaluate")),
          Map.entry("grid", List.of("train", "evaluate")),
          Map.entry("query", List.of("sql")));

  /** What a job shows to other jobs; all else are its insides. */
  private static final String ENTRIES =
      "io\\.squeeze\\.jobs\\.\\w+\\.(\\w+Job|ShardPool|SqueezeExtensions|CodeSearch|IndexedTable)(\\$.*)?";

  @Test
  void theRoomsOfCommonUseOnlyWhatTheyMay() {
    ROOMS.forEach(
        (room, allowed) -> {
          List<String> others = new ArrayList<>(ROOMS.keySet());
          others.removeAll(allowed);
          others.removeAll(List.of(room, "config"));
          forbid("io.squeeze.", room, others);
        });
  }

  @Test
  void theRoomsBelowTheJobsUseOnlyWhatLiesBelowThem() {
    for (int i = 0; i < BASE.size(); i++) {
      List<String> above = new ArrayList<>(BASE.subList(i + 1, BASE.size()));
      above.addAll(JOBS.keySet());
      above.add("cli");
      forbid("io.squeeze.jobs.", BASE.get(i), above);
    }
  }

  @Test
  void noJobUsesTheInsidesOfAnother() {
    JOBS.forEach(
        (room, used) -> {
          List<String> others = new ArrayList<>(JOBS.keySet());
          others.removeAll(used);
          others.remove(room);
          others.add("cli");
          forbid("io.squeeze.jobs.", room, others);
          for (String other : used) {
            noClasses()
                .that()
                .resideInAPackage("io.squeeze.jobs." + room + "..")
                .should()
                .dependOnClassesThat(
                    resideInAPackage("io.squeeze.jobs." + other + "..")
                        .and(not(nameMatching(ENTRIES))))
                .check(CLASSES);
          }
        });
  }

  @Test
  void everyRoomOfJobsIsOnTheMap() {
    List<String> known = new ArrayList<>(BASE);
    known.addAll(JOBS.keySet());
    known.add("cli");
    String[] rooms = known.stream().map(name -> "io.squeeze.jobs." + name).toArray(String[]::new);
    noClasses()
        .that()
        .resideInAPackage("io.squeeze.jobs..")
        .should()
        .resideOutsideOfPackages(rooms)
        .check(CLASSES);
  }

  private static void forbid(String prefix, String room, List<String> others) {
    String[] forbidden = others.stream().map(name -> prefix + name + "..").toArray(String[]::new);
    noClasses()
        .that()
        .resideInAPackage(prefix + room + "..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(forbidden)
        .check(CLASSES);
  }

  @Test
  void theMathsKnowsNeitherSparkNorHadoopNorTheJobs() {
    noClasses()
        .that()
        .resideOutsideOfPackage("io.squeeze.jobs..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "io.squeeze.jobs..", "org.apache.spark..", "org.apache.hadoop..", "scala..")
        .check(CLASSES);
  }

  /** Parquet's writers and readers speak Hadoop; so does the file system, and nothing else. */
  @Test
  void onlyStorageAndTablesKnowHadoop() {
    noClasses()
        .that()
        .resideOutsideOfPackages("io.squeeze.jobs.storage..", "io.squeeze.jobs.publish..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.apache.hadoop..")
        .check(CLASSES);
  }

  /** Locks, versions and run folders are tested without a session. */
  @Test
  void storageKnowsNoSpark() {
    noClasses()
        .that()
        .resideInAPackage("io.squeeze.jobs.storage..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.apache.spark..", "scala..")
        .check(CLASSES);
  }

  /** A task that is tried again adds to an accumulator twice: they tell of progress alone. */
  @Test
  void resultsNeverComeFromAccumulators() {
    noClasses()
        .that()
        .haveNameNotMatching(
            "io.squeeze.jobs.(extract.Extract(Job|Task)|predict.MaskPictures)(\\$.*)?")
        .should()
        .dependOnClassesThat()
        .areAssignableTo(AccumulatorV2.class)
        .check(CLASSES);
  }

  @Test
  void jobsFormNoCircle() {
    ArchRule rule = slices().matching("io.squeeze.jobs.(*)..").should().beFreeOfCycles();
    rule.check(CLASSES);
  }

  /**
   * One code base: what differs between Sparks is the same few classes in each, and what came with
   * 4.2: the vector functions and the join.
   */
  @Test
  void whatDiffersBetweenSparksIsSmall() throws IOException {
    for (String folder : List.of("spark-4", "spark-3.5", "spark-4.2", "before-4.2")) {
      try (Stream<Path> paths = Files.walk(Path.of("src/main", folder))) {
        List<Path> files = paths.filter(path -> path.toString().endsWith(".java")).toList();
        assertThat(files).as(folder).hasSizeBetween(2, 5);
        long lines = 0;
        for (Path file : files) {
          lines += Files.readAllLines(file).size();
        }
        assertThat(lines).as(folder).isLessThan(700);
      }
    }
  }
}
