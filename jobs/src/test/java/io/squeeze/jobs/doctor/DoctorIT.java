package io.squeeze.jobs.doctor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.SqueezeException;
import io.squeeze.config.SqueezeException.Category;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.doctor.Check.Verdict;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(200)
@Tag("cluster")
class DoctorIT {
  @TempDir Path folder;

  private static List<String> what(List<Check> checks, String place) {
    return checks.stream().filter(c -> c.place().startsWith(place)).map(Check::what).toList();
  }

  @Test
  void everyExecutorIsLookedAtAndNothingIsLeftBehind() throws IOException {
    try (SparkSession spark = Fixture.cluster()) {
      List<Check> checks =
          new DoctorJob(Fixture.squeeze(spark), folder.resolve("out").toString(), null).run();
      for (String place : List.of("driver", "executor 0", "executor 1")) {
        assertThat(what(checks, place))
            .contains("Java", "Spark", "libtorch", "device", "memory", "disk", "output", "clock");
      }
      assertThat(what(checks, "cluster")).containsExactly("executors");
      assertThat(checks).noneMatch(check -> check.verdict() == Verdict.FAILED);
      DoctorJob.judge(checks);
    }
    try (Stream<Path> left = Files.walk(folder)) {
      assertThat(left.filter(path -> path.toString().contains("_doctor"))).isEmpty();
    }
  }

  @Test
  void anExecutorWithoutLibtorchAndAnOutputThatTakesNothingAreNamed() throws IOException {
    Path broken = Files.createDirectory(folder.resolve("broken-libtorch"));
    for (String name : List.of("libtorch.so", "libtorch_cpu.so", "libc10.so")) {
      Files.writeString(broken.resolve(name), "no library");
    }
    Path file = Files.writeString(folder.resolve("a-file"), "");
    try (SparkSession spark =
        Fixture.clusterBuilder("local-cluster[1,1,1024]")
            .config("spark.executorEnv.PYTORCH_LIBRARY_PATH", broken.toString())
            .getOrCreate()) {
      List<Check> checks = new DoctorJob(Fixture.squeeze(spark), file.toString(), null).run();
      Check torch =
          checks.stream()
              .filter(c -> c.place().startsWith("executor") && c.what().equals("libtorch"))
              .findFirst()
              .orElseThrow();
      assertThat(torch.verdict()).isEqualTo(Verdict.FAILED);
      assertThat(torch.found()).contains("PYTORCH_LIBRARY_PATH");
      assertThat(checks)
          .filteredOn(c -> c.what().equals("output"))
          .hasSize(2)
          .allMatch(c -> c.verdict() == Verdict.FAILED);
      assertThatThrownBy(() -> DoctorJob.judge(checks))
          .isInstanceOfSatisfying(
              SqueezeException.class, e -> assertThat(e.category()).isEqualTo(Category.RESOURCE))
          .hasMessageStartingWith("3 of ");
    }
  }
}
