package io.squeeze.backbone;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.BackboneSettings.Layout;
import io.squeeze.config.Seeds;
import io.squeeze.config.SqueezeException;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.function.Function;

/**
 * Looks at what a program gives, before the first photo: the shape of its output, and whether an
 * image's features depend on the image alone. A program may have been traced with a fixed batch, in
 * training mode, or with noise; then it gives numbers that look like features.
 */
final class BackboneProbe {
  /** Largest difference that counts as none, as a share of the largest feature. */
  private static final double FLOAT = 1e-3;

  private static final double HALF = 5e-2;

  private final Function<NDList, NDList> program;
  private final BackboneFile file;
  private final Path path;

  BackboneProbe(Function<NDList, NDList> program, BackboneFile file, Path path) {
    this.program = program;
    this.file = file;
    this.path = path;
  }

  /**
   * What was found.
   *
   * @param grid of one image
   * @param oneAtATime whether the program takes no batch
   */
  record Found(Grid grid, boolean oneAtATime) {}

  /**
   * Runs two different images: each alone, one of them twice, and both as a batch.
   *
   * @throws SqueezeException of category input if the program is no backbone
   */
  Found run(NDManager manager) {
    try (NDManager scope = manager.newSubManager()) {
      NDArray first = image(scope, "first");
      NDArray second = image(scope, "second");
      NDArray a = features(first, scope);
      Grid grid = grid(a.getShape());
      if (differ(a, features(first, scope))) {
        throw unusable(
            "it gives other features for the same image: it adds noise, or it was saved in training"
                + " mode; call eval() before torch.jit.save");
      }
      NDArray b = features(second, scope);
      if (!differ(a, b)) {
        throw unusable("it gives the same features for two different images");
      }
      return new Found(grid, oneAtATime(first, second, NDArrays.concat(new NDList(a, b)), scope));
    }
  }

  /**
   * Whether the grid of a window has cells of a whole stride. A window of 98 pixels becomes 7 cells
   * at stride 16, too, but not of 14 pixels: a picture so wide that the rounding adds up to a cell
   * tells. A program that reads one size alone cannot be asked.
   *
   * @throws SqueezeException of category configuration if they do not
   */
  void checkCells(NDManager manager, Grid window) {
    int side = file.side();
    if (file.output().layout() == Layout.TOKENS || side % window.width() != 0) {
      return;
    }
    int times = side / window.width() / window.width() + 2;
    try (NDManager scope = manager.newSubManager()) {
      Shape shape =
          features(scope.zeros(new Shape(1, 3, side, (long) times * side)), scope).getShape();
      long cells = shape.get(file.output().layout() == Layout.NCHW ? 3 : 2);
      if (cells != (long) times * window.width()) {
        throw SlidingWindows.noWholeCells(side, window);
      }
    } catch (EngineException e) {
      if (Torch.outOfMemory(e)) {
        throw e;
      }
    }
  }

  private boolean oneAtATime(NDArray first, NDArray second, NDArray alone, NDManager scope) {
    NDArray both;
    try {
      both = features(NDArrays.concat(new NDList(first, second)), scope);
    } catch (EngineException e) {
      if (Torch.outOfMemory(e)) {
        throw e;
      }
      return true;
    }
    if (!both.getShape().equals(alone.getShape())) {
      return true;
    }
    if (differ(both, alone)) {
      throw unusable(
          "its features of an image depend on the others in the batch: it was saved in training"
              + " mode, or it mixes the images; call eval() before torch.jit.save");
    }
    return false;
  }

  private NDArray image(NDManager manager, String name) {
    int size = file.side();
    SplittableRandom random = Seeds.random(0, "probe " + name);
    return Torch.floats(
        manager,
        new Shape(1, 3, size, size),
        values -> {
          while (values.hasRemaining()) {
            values.put((float) random.nextDouble(-2, 2));
          }
        });
  }

  private NDArray features(NDArray images, NDManager scope) {
    NDList out = program.apply(new NDList(images));
    out.attach(scope);
    if (out.size() != 1) {
      throw unusable(
          "it gives %d tensors, the first of shape %s, where one is expected"
              .formatted(out.size(), out.isEmpty() ? "none" : out.get(0).getShape()));
    }
    return NativeKernels.float32(out.get(0));
  }

  private boolean differ(NDArray a, NDArray b) {
    double largest = Math.max(1e-6, a.abs().max().getFloat());
    double most = file.precision() == Precision.FP32 ? FLOAT : HALF;
    return !(a.sub(b).abs().max().getFloat() <= most * largest);
  }

  private Grid grid(Shape shape) {
    Layout layout = file.output().layout();
    if (layout == Layout.TOKENS && shape.dimension() == 3) {
      long tokens = shape.get(1) - file.output().prefix();
      int side = (int) Math.round(Math.sqrt((double) Math.max(0, tokens)));
      if (side > 0 && (long) side * side == tokens) {
        return new Grid((int) shape.get(2), side, side);
      }
    }
    if (layout == Layout.NCHW && shape.dimension() == 4) {
      if (shape.get(2) != shape.get(3) && shape.get(1) == shape.get(2)) {
        throw unusable(
            "for one square image it gives shape %s, which looks like [B, h, w, C]: set --layout nhwc"
                .formatted(shape));
      }
      return new Grid((int) shape.get(1), (int) shape.get(2), (int) shape.get(3));
    }
    if (layout == Layout.NHWC && shape.dimension() == 4) {
      return new Grid((int) shape.get(3), (int) shape.get(1), (int) shape.get(2));
    }
    throw unusable(
        ("for one image it gives shape %s, where %s is expected: set backbone.layout and"
                + " backbone.prefix-tokens to what it gives")
            .formatted(shape, layout.shape(file.output().prefix())));
  }

  private SqueezeException unusable(String why) {
    return SqueezeException.input("Cannot use %s as a backbone: %s".formatted(path, why));
  }
}
