package io.squeeze.backbone;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Any TorchScript program that maps float32 [B, 3, S, S] to [B, C, h, w], to [B, h, w, C], or to
 * tokens [B, P + h * w, C], in any floating type.
 */
public final class TorchScriptBackbone implements Backbone {
  private static final Logger LOG = LoggerFactory.getLogger(TorchScriptBackbone.class);
  private static final Map<Key, Backbone> LOADED = new ConcurrentHashMap<>();

  private final PtSymbolBlock program;
  private final BackboneFile file;
  private final BackboneProbe.Found found;

  private record Key(BackboneFile file, Device device) {}

  private TorchScriptBackbone(PtSymbolBlock program, BackboneFile file, BackboneProbe.Found found) {
    this.program = program;
    this.file = file;
    this.found = found;
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

  private static Backbone load(BackboneFile file, Path local, Device device) {
    LOG.debug("Loading the backbone {} on {}", local, device);
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
      BackboneProbe probe =
          new BackboneProbe(in -> IValueUtils.forward(program, in, false), file, local);
      TorchScriptBackbone whole = new TorchScriptBackbone(program, file, probe.run(forever));
      if (file.windows() == null) {
        return whole;
      }
      probe.checkCells(forever, whole.grid());
      return new WindowedBackbone(whole, file.windows());
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
              .formatted(local, file.side(), file.side(), reason),
          e);
    } catch (SqueezeException e) {
      forever.close();
      throw e;
    }
  }

  @Override
  public NDArray features(NDArray images) {
    return outputs(images).grid();
  }

  @Override
  public Outputs outputs(NDArray images) {
    NDArray out = IValueUtils.forward(program, new NDList(images), false).singletonOrThrow();
    NDArray features = NativeKernels.float32(out);
    Grid grid = found.grid();
    int prefix = file.output().prefix();
    return switch (file.output().layout()) {
      case NCHW -> new Outputs(features, null);
      case NHWC -> new Outputs(features.transpose(0, 3, 1, 2), null);
      case TOKENS ->
          new Outputs(
              features
                  .get(":," + prefix + ":,:")
                  .transpose(0, 2, 1)
                  .reshape(images.getShape().get(0), grid.channels(), grid.height(), grid.width()),
              prefix == 0 ? null : features.get(":,0,:"));
    };
  }

  @Override
  public Grid grid() {
    return found.grid();
  }

  @Override
  public int mostImages() {
    return found.oneAtATime() ? 1 : Integer.MAX_VALUE;
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
