package io.squeeze;

import io.squeeze.backbone.Architecture;
import io.squeeze.backbone.Weights;
import io.squeeze.torch.ScriptModule;
import io.squeeze.torch.ScriptProgram;
import io.squeeze.weights.HostTensor;
import java.util.SplittableRandom;

/** Patches of 16 x 16 pixels, projected to 64 values: a network of one tensor. */
public final class ColourGrid implements Architecture {
  private static final String SOURCE =
      """
      class ColourGrid(Module):
        __parameters__ = []
        __buffers__ = ["weight", ]
        weight : Tensor
        def forward(self: __torch__.ColourGrid, x: Tensor) -> Tensor:
          images = torch.to(x, ops.prim.dtype(self.weight))
          grid = torch.conv2d(images, self.weight, None, [16, 16], [0, 0], [1, 1], 1)
          return torch.to(torch.tanh(grid), 6)
      """;

  @Override
  public String name() {
    return "colour";
  }

  @Override
  public ScriptProgram program(Weights weights) { // asks for tensors by a checkpoint's names
    ScriptModule module = new ScriptModule("ColourGrid");
    module.with("weight", weights.get("patch.weight", 64, 3, 16, 16));
    return new ScriptProgram(SOURCE, module);
  }

  @Override
  public HostTensor initial(String name, long[] shape, SplittableRandom random) {
    return HostTensor.normal(random, 0.04, shape); // where --weights is not set
  }
}
