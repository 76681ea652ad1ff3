package io.squeeze.jobs.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.train.TrainJob;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tasks on a cluster whose workers say that they have GPUs: the devices are given, not there. */
@Timeout(180)
@Tag("cluster")
class PlacementIT {

  /** An executor of two cores that says it has two GPUs. */
  private static SparkSession.Builder withGpus(Path folder) throws IOException {
    Path script = folder.resolve("gpus");
    Files.writeString(
        script, "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [\"0\", \"1\"]}'\n");
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
    return Fixture.clusterBuilder("local-cluster[1,2,2048]")
        .config("spark.worker.resource.gpu.amount", "2")
        .config("spark.worker.resource.gpu.discoveryScript", script.toString())
        .config("spark.executor.resource.gpu.amount", "2")
        .config("spark.executor.resource.gpu.discoveryScript", script.toString());
  }

  @Test
  void eachTaskIsPlacedOnTheDeviceThatItWasGivenAndSaysSoWhereThereIsNone(@TempDir Path folder)
      throws Exception {
    try (SparkSession spark =
        withGpus(folder).config("spark.task.resource.gpu.amount", "1").getOrCreate()) {
      List<String> places =
          JavaSparkContext.fromSparkContext(spark.sparkContext())
              .parallelize(List.of(1, 2), 2)
              .map(
                  i -> {
                    Thread.sleep(1500); // both run at a time, so both addresses are taken
                    TaskContext task = TaskContext.get();
                    String given = task.resourcesJMap().get("gpu").addresses()[0];
                    var device = Tasks.placement(SparkEnv.get().conf(), task).settled();
                    return given + " -> " + device.orElseThrow();
                  })
              .collect();
      assertThat(Set.copyOf(places)).containsExactlyInAnyOrder("0 -> gpu(0)", "1 -> gpu(1)");

      Fixture fixture = new Fixture(folder, 6);
      assertThatThrownBy(
              () -> new ExtractJob(Fixture.squeeze(spark), fixture.settings("e", "")).run())
          .satisfies(
              thrown -> {
                SqueezeException ours = SqueezeException.find(thrown);
                assertThat(ours.category()).isEqualTo(SqueezeException.Category.RESOURCE);
                assertThat(ours).hasMessageContaining("libtorch sees 0 CUDA devices");
              });
    }
  }

  @Test
  void stagesThatComputeAskForAShareOfAGpuAndTheOthersForNone(@TempDir Path folder)
      throws Exception {
    try (SparkSession spark =
        withGpus(folder)
            .config("spark.squeeze.gpu-share", "0.5")
            .config("spark.squeeze.device", "cpu")
            .getOrCreate()) {
      JavaRDD<Boolean> given =
          JavaSparkContext.fromSparkContext(spark.sparkContext())
              .parallelize(List.of(1, 2), 2)
              .map(i -> TaskContext.get().resourcesJMap().containsKey("gpu"));
      assertThat(given.collect()).containsExactly(false, false);
      assertThat(Stages.computing(given).collect()).containsExactly(true, true);
      assertThat(Stages.computing(given).rdd().getResourceProfile())
          .isSameAs(Stages.computing(given).rdd().getResourceProfile());
      // A walk of both kinds of stages.
      Fixture fixture = new Fixture(folder, 24);
      new ExtractJob(Fixture.squeeze(spark), fixture.settings("e", "")).run();
      String checkpoint =
          TrainJob.run(Fixture.squeeze(spark), fixture.settings("e", "train.shards = 2"));
      assertThat(
              new EvaluateJob(Fixture.squeeze(spark), EvaluateJob.Request.of(checkpoint, "test"))
                  .score()
                  .samples())
          .isEqualTo(6);
    }
  }
}
