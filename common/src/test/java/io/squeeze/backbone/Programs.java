package io.squeeze.backbone;

import io.squeeze.torch.ScriptArchive;
import io.squeeze.torch.ScriptModule;
import io.squeeze.torch.ScriptProgram;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** Programs of a few lines. */
final class Programs {
  private Programs() {}

  /**
   * Writes a program of one method.
   *
   * @param body its lines, of the photos {@code x}, indented by four
   */
  static Path write(Path file, String body) throws IOException {
    String source =
        """
        class P(Module):
          __parameters__ = []
          __buffers__ = []
          def forward(self: __torch__.P, x: Tensor) -> Tensor:
        """
            + body;
    try (OutputStream out = Files.newOutputStream(file)) {
      ScriptArchive.write(new ScriptProgram(source, new ScriptModule("P")), out);
    }
    return file;
  }
}
