package io.squeeze.backbone;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.SlidingWindows.Window;
import io.squeeze.config.ImageSettings.Windows;
import io.squeeze.image.Preprocessing;
import io.squeeze.torch.Torch;
import java.util.List;

/**
 * A backbone that sees a photo through windows. A vector is the mean of those that the windows over
 * its place give; the class token is the mean of the windows'.
 */
final class WindowedBackbone implements Backbone {
  private final Backbone inner;
  private final SlidingWindows sliding;
  private final List<Window> windows;
  private final float[] weights;

  WindowedBackbone(Backbone inner, Windows asked) {
    this.inner = inner;
    this.sliding = SlidingWindows.of(asked, inner.preprocessing().size(), inner.grid());
    this.windows = sliding.windows();
    this.weights = sliding.weights();
  }

  @Override
  public NDArray features(NDArray images) {
    return outputs(images).grid();
  }

  @Override
  public Outputs outputs(NDArray images) {
    NDManager manager = images.getManager();
    Grid grid = grid();
    NDArray sum =
        manager.zeros(
            new Shape(images.getShape().get(0), grid.channels(), grid.height(), grid.width()));
    NDArray tokens = null;
    for (Window window : windows) {
      // Each window's own arrays go before the next is computed.
      try (NDManager scope = manager.newSubManager()) {
        NDArray pixels =
            images.get(
                ":,:,%d:%d,%d:%d"
                    .formatted(window.top(), window.bottom(), window.left(), window.right()));
        pixels.attach(scope);
        Outputs seen = inner.outputs(pixels);
        NDArray place =
            sum.get(
                ":,:,%d:%d,%d:%d"
                    .formatted(
                        window.y(),
                        window.y() + window.cells(),
                        window.x(),
                        window.x() + window.cells()));
        place.attach(scope);
        place.addi(seen.grid());
        if (seen.token() != null) {
          if (tokens == null) {
            tokens = manager.zeros(seen.token().getShape());
          }
          tokens.addi(seen.token());
        }
      }
    }
    sum.muli(
        Torch.floats(
            manager, new Shape(1, 1, grid.height(), grid.width()), values -> values.put(weights)));
    return new Outputs(sum, tokens == null ? null : tokens.divi(windows.size()));
  }

  @Override
  public Grid grid() {
    return sliding.grid();
  }

  @Override
  public int mostImages() {
    return inner.mostImages();
  }

  @Override
  public String digest() {
    return inner.digest();
  }

  @Override
  public Preprocessing preprocessing() {
    return inner.preprocessing();
  }
}
