package io.squeeze.backbone;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.Preprocessing;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Any TorchScript program that maps float32 [B, 3, S, S] to [B, C, h, w], or to tokens [B, P + h *
 * w, C], in any floating type.
 */
public final class TorchScriptBackbone implements Backbone {
  private static final Map<Key, TorchScriptBackbone> LOADED = new ConcurrentHashMap<>();

  private final PtSymbolBlock program;
  private final BackboneFile file;
  private final Grid grid;

  private record Key(BackboneFile file, Device device) {}

  private TorchScriptBackbone(PtSymbolBlock program, BackboneFile file, Grid grid) {
    this.program = program;
    this.file = file;
    this.grid = grid;
  }

  /**
   * The one copy that this JVM keeps on the device, loaded at the first call.
   *
   * @param local where the program lies on this machine
   * @throws SqueezeException of category input if it is no such program
   */
  public static Backbone shared(BackboneFile file, Path local, Device device) {
    Key key = new Key(file, device);
    return LOADED.computeIfAbsent(key, k -> load(file, local, device));
  }

  private static TorchScriptBackbone load(BackboneFile file, Path local, Device device) {
    file.precision().check(device);
    String found = BackboneFile.digest(local);
    if (!found.equals(file.digest())) {
      throw SqueezeException.input(
          "The backbone " + local + " changed: expected " + file.digest() + ", found " + found);
    }
    NDManager forever = Torch.manager(device);
    try {
      PtSymbolBlock program =
          JniUtils.loadModule(
              (PtNDManager) forever, local, true, new String[0], new String[0], false);
      Grid grid = probe(program, forever, local, file);
      return new TorchScriptBackbone(program, file, grid);
    } catch (EngineException | IllegalArgumentException | UnsupportedOperationException e) {
      forever.close();
      if (e instanceof EngineException engine && Torch.outOfMemory(engine)) {
        throw SqueezeException.resource(
            "The backbone " + local + " does not fit into the memory of " + device, e);
      }
      String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
      throw SqueezeException.input(
          ("Cannot use %s as a backbone: it is no TorchScript program for float32 [B, 3, "
                  + "%s, %s] (%s); set --model to a file that torch.jit.save wrote")
              .formatted(local, file.preprocessing().size(), file.preprocessing().size(), reason),
          e);
    } catch (SqueezeException e) {
      forever.close();
      throw e;
    }
  }

  /** Runs one empty image through the program. The shape of the output gives channels and grid. */
  private static Grid probe(
      PtSymbolBlock program, NDManager manager, Path path, BackboneFile file) {
    int size = file.preprocessing().size();
    try (NDManager scope = manager.newSubManager()) {
      NDArray image = scope.zeros(new Shape(1, 3, size, size));
      NDList out = IValueUtils.forward(program, new NDList(image), false);
      out.attach(scope);
      NDArray features = NativeKernels.float32(out.get(0));
      Shape shape = features.getShape();
      if (out.size() == 1 && file.output().tokens() && shape.dimension() == 3) {
        long tokens = shape.get(1) - file.output().prefix();
        int side = (int) Math.round(Math.sqrt((double) Math.max(0, tokens)));
        if (side > 0 && (long) side * side == tokens) {
          return new Grid((int) shape.get(2), side, side);
        }
      }
      if (out.size() == 1 && !file.output().tokens() && shape.dimension() == 4) {
        return new Grid((int) shape.get(1), (int) shape.get(2), (int) shape.get(3));
      }
      throw SqueezeException.input(
          ("Cannot use %s as a backbone: for one image it gives %s%s of shape %s, where "
                  + "%s is expected: set backbone.layout and backbone.prefix-tokens to what it "
                  + "gives")
              .formatted(
                  path,
                  out.size(),
                  out.size() == 1 ? " tensor" : " tensors, the first",
                  shape,
                  file.output().tokens()
                      ? "[B, " + file.output().prefix() + " + h * h, C]"
                      : "[B, C, h, w]"));
    }
  }

  @Override
  public NDArray features(NDArray images) {
    NDArray out = IValueUtils.forward(program, new NDList(images), false).singletonOrThrow();
    NDArray features = NativeKernels.float32(out);
    if (!file.output().tokens()) {
      return features;
    }
    long batch = images.getShape().get(0);
    int prefix = file.output().prefix();
    return features
        .get(":," + prefix + ":,:")
        .transpose(0, 2, 1)
        .reshape(batch, grid.channels(), grid.height(), grid.width());
  }

  @Override
  public Grid grid() {
    return grid;
  }

  @Override
  public String digest() {
    return file.digest();
  }

  @Override
  public Preprocessing preprocessing() {
    return file.preprocessing();
  }
}
