package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Properties;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a cluster is told: the files in conf/ and submit/. */
class RecipesTest {
  private static final Path HOME = Path.of("..").toAbsolutePath().normalize();

  @ParameterizedTest
  @ValueSource(strings = {"local", "standalone", "yarn", "kubernetes"})
  void sparkReadsTheFile(String name) throws Exception {
    // As spark-submit reads --properties-file.
    Properties properties = new Properties();
    try (Reader in = Files.newBufferedReader(HOME.resolve("conf/spark/" + name + ".conf"))) {
      properties.load(in);
    }
    assertThat(properties.stringPropertyNames()).allMatch(key -> key.startsWith("spark."));
    assertThat(properties.stringPropertyNames())
        .allSatisfy(key -> assertThat(properties.getProperty(key)).doesNotContain(" "));
    boolean local = name.equals("local");
    assertThat(properties.containsKey("spark.executor.resource.gpu.amount")).isNotEqualTo(local);
    // Stages ask by themselves (compute.gpu-share).
    assertThat(properties.containsKey("spark.task.resource.gpu.amount")).isFalse();
    assertThat(properties.containsKey("spark.executorEnv.PYTORCH_LIBRARY_PATH"))
        .isNotEqualTo(local);
  }

  /** YARN unpacks an archive below its alias, whatever folder is at its top. */
  @Test
  void libtorchLiesWhereTheArchivePutsIt() throws Exception {
    String recipe = Files.readString(HOME.resolve("conf/spark/yarn.conf"));
    assertThat(recipe)
        .contains("tar czf libtorch.tar.gz -C /path/to/libtorch .", "libtorch.tar.gz#libtorch")
        .containsPattern("executorEnv.PYTORCH_LIBRARY_PATH +[.]/libtorch/lib\\n")
        .containsPattern("appMasterEnv.PYTORCH_LIBRARY_PATH +[.]/libtorch/lib\\n");
  }

  @Test
  void ourSettingsForGpusAreSettings() {
    Settings settings =
        Settings.load(List.of(ConfigFactory.parseFile(HOME.resolve("conf/gpu.conf").toFile())));
    assertThat(settings.backbone().precision()).isEqualTo("fp16");
    assertThat(settings.compute().gpuShare()).isEqualTo(0.25);
  }

  @Test
  void theDiscoveryScriptSaysWhatNvidiaSmiSays(@TempDir Path folder) throws Exception {
    Path smi = folder.resolve("nvidia-smi");
    Files.writeString(smi, "#!/bin/sh\nprintf '0\\n1\\n'\n");
    Files.setPosixFilePermissions(smi, PosixFilePermissions.fromString("rwxr-xr-x"));
    Process process = discovery(folder + ":/usr/bin:/bin");
    JsonNode json = new ObjectMapper().readTree(process.getInputStream());
    assertThat(json).hasToString("{\"name\":\"gpu\",\"addresses\":[\"0\",\"1\"]}");
    assertThat(process.waitFor()).isZero();

    Files.writeString(smi, "#!/bin/sh\necho 'no driver'\nexit 9\n");
    Process failing = discovery(folder + ":/usr/bin:/bin");
    String error = new String(failing.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(failing.waitFor()).isEqualTo(1);
    assertThat(error).contains("nvidia-smi does not work here: no driver");
  }

  private static Process discovery(String path) throws Exception {
    ProcessBuilder builder = new ProcessBuilder(HOME.resolve("submit/gpu-discovery.sh").toString());
    builder.environment().put("PATH", path);
    return builder.start();
  }
}
