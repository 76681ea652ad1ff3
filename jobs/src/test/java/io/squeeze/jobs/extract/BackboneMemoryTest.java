package io.squeeze.jobs.extract;

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
import io.squeeze.jobs.TinyBackbone;
import io.squeeze.torch.Torch;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a batch takes of native memory it gives back. */
class BackboneMemoryTest {
  private static final int BATCHES = 1000;

  @Test
  void aThousandBatchesTakeNoMoreThanTheFirstHundreds(@TempDir Path folder) throws IOException {
    Torch.start(1);
    Path program = TinyBackbone.write(folder.resolve("tiny.pt"), 1);
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
    // 300 MB of pixels a hundred batches: a leak of a hundredth would show.
    assertThat(late).isLessThan(early + early / 20);
  }
}
