package io.squeeze.jobs.extract;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.Backbone;
import io.squeeze.backbone.BackboneFile;
import io.squeeze.backbone.TorchScriptBackbone;
import io.squeeze.config.Settings;
import io.squeeze.image.Preprocessing;
import io.squeeze.jobs.Outside;
import io.squeeze.jobs.Submit;
import io.squeeze.jobs.TinyBackbone;
import io.squeeze.torch.Torch;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a batch takes of native memory it gives back. */
@SuppressWarnings("SystemOut")
class BackboneMemoryTest {
  private static final int BATCHES = 1000;

  /** In a process of its own, whose heap has its size from the start: what grows is native. */
  @Test
  void aThousandBatchesTakeNoMoreThanTheFirstHundreds(@TempDir Path folder) throws Exception {
    Process process =
        new ProcessBuilder(
                Submit.java(),
                "-Xms256m",
                "-Xmx256m",
                "-XX:+AlwaysPreTouch",
                "-cp",
                System.getProperty("java.class.path"),
                BackboneMemoryTest.class.getName(),
                folder.toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String out = new String(process.getInputStream().readAllBytes(), UTF_8);
    assertThat(process.waitFor()).isZero();
    String[] resident = out.strip().lines().reduce((a, b) -> b).orElseThrow().split(" ", -1);
    long early = Long.parseLong(resident[0]);
    long late = Long.parseLong(resident[1]);
    // Five hundred batches have 1,200 MB of pixels: a leak of a fiftieth would show.
    assertThat(late).isLessThan(early + (24 << 10));
  }

  /** Prints the most memory that early and late batches took, in KiB. */
  public static void main(String[] args) throws IOException {
    Torch.start(1);
    Path program = TinyBackbone.write(Path.of(args[0], "tiny.pt"), 1);
    Preprocessing preprocessing = Preprocessing.from(Settings.defaults().image());
    BackboneFile file = BackboneFile.of("tiny", program, preprocessing);
    Backbone backbone = TorchScriptBackbone.shared(file, program, Device.cpu());
    long early = 0;
    long late = 0;
    try (NDManager task = Torch.manager(Device.cpu())) {
      for (int batch = 0; batch < BATCHES; batch++) {
        try (NDManager scope = task.newSubManager()) {
          NDArray features = backbone.features(scope.ones(new Shape(4, 3, 224, 224)));
          features.attach(scope);
          assertThat(Torch.tensor(features).bytes()).hasSize(4 * 24 * 14 * 14 * 4);
        }
        if (batch >= 200 && batch < 500) {
          early = Math.max(early, Outside.resident());
        } else if (batch >= 500) {
          late = Math.max(late, Outside.resident());
        }
      }
    }
    System.out.println(early + " " + late);
  }
}
