package io.squeeze.jobs;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
          Map.entry("segment", List.of("quantize", "torch", "weights")),
          Map.entry(
              "train", List.of("segment", "quantize", "metric", "torch", "weights", "storage")),
          Map.entry("track", List.of("storage")),
          Map.entry("report", List.of("metric", "image")));

  @Test
  void theRoomsOfCommonUseOnlyWhatTheyMay() {
    ROOMS.forEach(
        (room, allowed) -> {
          List<String> others = new ArrayList<>(ROOMS.keySet());
          others.removeAll(allowed);
          others.removeAll(List.of(room, "config"));
          String[] forbidden =
              others.stream().map(name -> "io.squeeze." + name + "..").toArray(String[]::new);
          noClasses()
              .that()
              .resideInAPackage("io.squeeze." + room + "..")
              .should()
              .dependOnClassesThat()
              .resideInAnyPackage(forbidden)
              .check(CLASSES);
        });
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

  @Test
  void onlyTheSparkRoomKnowsHadoop() {
    noClasses()
        .that()
        .resideOutsideOfPackage("io.squeeze.jobs.spark..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.apache.hadoop..")
        .check(CLASSES);
  }

  /** A task that is tried again adds to an accumulator twice: they tell of progress alone. */
  @Test
  void resultsNeverComeFromAccumulators() {
    noClasses()
        .that()
        .haveNameNotMatching("io.squeeze.jobs.extract.Extract(Job|Task)(\\$.*)?")
        .should()
        .dependOnClassesThat()
        .areAssignableTo(AccumulatorV2.class)
        .check(CLASSES);
  }

  @Test
  void jobsFormNoCircle() {
    ArchRule rule = slices().matching("io.squeeze.jobs.(*)..").should().beFreeOfCycles();
    rule.check(CLASSES);
    noClasses()
        .that()
        .resideInAPackage("io.squeeze.jobs.spark..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "io.squeeze.jobs.cli..",
            "io.squeeze.jobs.extract..",
            "io.squeeze.jobs.train..",
            "io.squeeze.jobs.evaluate..",
            "io.squeeze.jobs.visualize..")
        .check(CLASSES);
  }
}
