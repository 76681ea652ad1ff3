package io.squeeze.jobs.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;

class PlacementTest {

  @Test
  void aTaskTakesTheGpuThatSparkGaveItCountedAmongTheVisibleOnes() {
    assertThat(cluster("auto", "1", null).settled()).contains(Device.gpu(1));
    assertThat(cluster("auto", "3", "3").settled()).contains(Device.gpu(0));
    assertThat(cluster("auto", "3", "1, 3").settled()).contains(Device.gpu(1));
    assertThat(cluster("cuda", "GPU-8c2f", "GPU-8c2f").settled()).contains(Device.gpu(0));
    assertThat(cluster("cpu", "1", null).settled()).contains(Device.cpu());
    assertThatThrownBy(() -> cluster("auto", "GPU-8c2f", null).settled())
        .hasMessageContaining("GPU-8c2f, which is no number");
  }

  @Test
  void theCpuIsUsedOnlyWhereNoGpuWasAskedFor() {
    assertThat(new Placement("auto", false, false, null, null).settled()).contains(Device.cpu());
    assertThatThrownBy(() -> cluster("auto", null, null).settled())
        .hasMessageContaining("spark.task.resource.gpu.amount, or --device cpu");
    assertThatThrownBy(() -> new Placement("cuda", false, false, null, null).settled())
        .hasMessageContaining("spark.executor.resource.gpu.discoveryScript");
    assertThatThrownBy(() -> cluster("cuda:1", "1", null).settled())
        .hasMessageContaining("--device cuda:1 is for local[n]");
  }

  @Test
  void underLocalTheUserChoosesOrLibtorchsDevicesAreShared() {
    assertThat(local("cuda:2").settled()).contains(Device.gpu(2));
    assertThat(local("cpu").settled()).contains(Device.cpu());
    assertThat(local("auto").settled()).isEmpty();
    assertThat(local("cuda").settled()).isEmpty();
  }

  private static Placement cluster(String device, String address, String visible) {
    return new Placement(device, false, true, address, visible);
  }

  private static Placement local(String device) {
    return new Placement(device, true, false, null, null);
  }

  @Test
  void stagesWithFewTasksCanGiveEachMoreThreads() {
    assertThat(threads("local[8]", 2)).isEqualTo(4);
    assertThat(threads("local[8]", 3)).isEqualTo(2);
    assertThat(threads("local[8]", 100)).isEqualTo(1);
    assertThat(threads("local", 1)).isEqualTo(1);
    assertThat(threads("local-cluster[2,4,2048]", 2)).isEqualTo(4);
    assertThat(threads("local-cluster[2,4,2048]", 1)).isEqualTo(4);
    assertThat(threads("local-cluster[2,4,2048]", 5)).isEqualTo(1);
    // Cores that nobody was given are somebody else's.
    assertThat(threads("yarn", 1)).isEqualTo(1);
    assertThat(threads("k8s://https://host", 1)).isEqualTo(1);
  }

  private static int threads(String master, int tasks) {
    return Sessions.threads(new SparkConf(false).set("spark.master", master), tasks);
  }
}
