package io.squeeze.backbone;

import io.squeeze.config.Seeds;
import io.squeeze.torch.ScriptArchive;
import io.squeeze.torch.ScriptModule;
import io.squeeze.weights.HostTensor;
import io.squeeze.weights.LazyTensor;
import io.squeeze.weights.TensorSource;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.SplittableRandom;
import java.util.function.BiFunction;

/**
 * torchvision's ViT-B/32 (arXiv 2010.11929) without its classifier, as a TorchScript program:
 * float32 [B, 3, 224, 224] -> [B, 768, 7, 7], the 49 patch tokens behind the final LayerNorm.
 */
public final class VitB32 {
  private static final int LAYERS = 12;
  private static final long WIDTH = 768;
  private static final long HIDDEN = 3072;

  private VitB32() {}

  /**
   * The program with random weights of a seed, built once and kept in the cache.
   *
   * @param cache folder, created where missing
   */
  public static Path random(long seed, Path cache) throws IOException {
    String version = Long.toHexString(Seeds.hash(seed, "vit", program()));
    Path file = cache.resolve("vit_b_32-random-" + seed + "-" + version + ".pt");
    if (!Files.exists(file)) {
      Files.createDirectories(cache);
      Path part = Files.createTempFile(cache, "vit_b_32-", ".part");
      try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(part), 1 << 16)) {
        write((name, shape) -> randomTensor(seed, name, shape), out);
      }
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    }
    return file;
  }

  /**
   * Writes the program with these weights.
   *
   * @param weights a tensor for each name of torchvision's state dict and its shape
   */
  public static void write(BiFunction<String, long[], TensorSource> weights, OutputStream out)
      throws IOException {
    Source source = new Source(weights);
    ScriptModule vit = new ScriptModule("VitB32");
    source.copy(vit, "class_token", "class_token", 1, 1, WIDTH);
    source.copy(vit, "conv_proj_weight", "conv_proj.weight", WIDTH, 3, 32, 32);
    source.copy(vit, "conv_proj_bias", "conv_proj.bias", WIDTH);
    source.copy(vit, "pos_embedding", "encoder.pos_embedding", 1, 50, WIDTH);
    for (int i = 0; i < LAYERS; i++) {
      vit.with("layer_" + i, layer(source, "encoder.layers.encoder_layer_" + i + "."));
    }
    source.copy(vit, "ln_weight", "encoder.ln.weight", WIDTH);
    source.copy(vit, "ln_bias", "encoder.ln.bias", WIDTH);
    ScriptArchive.write(program(), vit, out);
  }

  private static ScriptModule layer(Source source, String prefix) {
    ScriptModule layer = new ScriptModule("Layer");
    source.copy(layer, "ln_1_weight", prefix + "ln_1.weight", WIDTH);
    source.copy(layer, "ln_1_bias", prefix + "ln_1.bias", WIDTH);
    String attention = prefix + "self_attention.";
    source.copy(layer, "in_proj_weight", attention + "in_proj_weight", 3 * WIDTH, WIDTH);
    source.copy(layer, "in_proj_bias", attention + "in_proj_bias", 3 * WIDTH);
    source.copy(layer, "out_proj_weight", attention + "out_proj.weight", WIDTH, WIDTH);
    source.copy(layer, "out_proj_bias", attention + "out_proj.bias", WIDTH);
    source.copy(layer, "ln_2_weight", prefix + "ln_2.weight", WIDTH);
    source.copy(layer, "ln_2_bias", prefix + "ln_2.bias", WIDTH);
    source.copy(layer, "mlp_0_weight", prefix + "mlp.0.weight", HIDDEN, WIDTH);
    source.copy(layer, "mlp_0_bias", prefix + "mlp.0.bias", HIDDEN);
    source.copy(layer, "mlp_3_weight", prefix + "mlp.3.weight", WIDTH, HIDDEN);
    source.copy(layer, "mlp_3_bias", prefix + "mlp.3.bias", WIDTH);
    return layer;
  }

  private record Source(BiFunction<String, long[], TensorSource> weights) {
    void copy(ScriptModule module, String attribute, String name, long... shape) {
      module.with(attribute, weights.apply(name, shape));
    }
  }

  /** torchvision's initial distributions: Xavier for matrices, normal for patches and positions. */
  private static TensorSource randomTensor(long seed, String name, long[] shape) {
    return new LazyTensor(
        shape,
        () -> {
          int size = 1;
          for (long length : shape) {
            size *= (int) length;
          }
          SplittableRandom random = Seeds.random(seed, "vit " + name);
          float[] values = new float[size];
          double fanIn = (double) size / shape[0];
          for (int i = 0; i < size; i++) {
            if (name.startsWith("conv_proj.weight")) {
              values[i] = (float) (Seeds.gaussian(random) / Math.sqrt(fanIn));
            } else if (name.endsWith("pos_embedding")) {
              values[i] = (float) (0.02 * Seeds.gaussian(random));
            } else if (shape.length == 2) {
              double bound = Math.sqrt(6.0 / (shape[0] + shape[1]));
              values[i] = (float) random.nextDouble(-bound, bound);
            } else {
              values[i] = name.contains("ln") && name.endsWith("weight") ? 1 : 0;
            }
          }
          return HostTensor.of(values, shape);
        });
  }

  private static String program() throws IOException {
    try (InputStream source = VitB32.class.getResourceAsStream("vit.py")) {
      return new String(source.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
