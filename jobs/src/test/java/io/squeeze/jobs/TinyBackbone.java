package io.squeeze.jobs;

import io.squeeze.config.Seeds;
import io.squeeze.torch.ScriptArchive;
import io.squeeze.torch.ScriptModule;
import io.squeeze.torch.ScriptProgram;
import io.squeeze.weights.HostTensor;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** A backbone for tests: one random convolution, [B, 3, 224, 224] -> [B, 24, 14, 14]. */
public final class TinyBackbone {
  private static final String SOURCE =
      """
      class Tiny(Module):
        __parameters__ = []
        __buffers__ = ["weight", ]
        weight : Tensor
        def forward(self: __torch__.Tiny, x: Tensor) -> Tensor:
          return torch.tanh(torch.conv2d(x, self.weight, None, [16, 16], [0, 0], [1, 1], 1))
      """;

  private TinyBackbone() {}

  public static Path write(Path file, long seed) throws IOException {
    HostTensor weight =
        HostTensor.uniform(Seeds.random(seed, "tiny"), 1 / Math.sqrt(300), 24, 3, 16, 16);
    try (OutputStream out = Files.newOutputStream(file)) {
      ScriptArchive.write(
          new ScriptProgram(SOURCE, new ScriptModule("Tiny").with("weight", weight)), out);
    }
    return file;
  }
}
