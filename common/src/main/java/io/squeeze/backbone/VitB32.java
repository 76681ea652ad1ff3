package io.squeeze.backbone;

import io.squeeze.torch.ScriptModule;
import io.squeeze.torch.ScriptProgram;
import io.squeeze.weights.HostTensor;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * torchvision's ViT-B/32 (arXiv 2010.11929) without its classifier: float32 [B, 3, 224, 224] -> [B,
 * 768, 7, 7], the 49 patch tokens behind the final LayerNorm.
 */
public final class VitB32 implements Architecture {
  private static final int LAYERS = 12;
  private static final long WIDTH = 768;
  private static final long HIDDEN = 3072;

  /** The part of the program that makes a grid of the tokens. */
  private static final String GRID = "    grid = ";

  private final boolean tokens;

  public VitB32() {
    this(false);
  }

  private VitB32(boolean tokens) {
    this.tokens = tokens;
  }

  @Override
  public Optional<Architecture> withTokens() {
    return Optional.of(new VitB32(true));
  }

  @Override
  public String name() {
    return "vit";
  }

  @Override
  public int imageSize() {
    return 224;
  }

  @Override
  public ScriptProgram program(Weights weights) {
    ScriptModule vit = new ScriptModule("VitB32");
    vit.with("class_token", weights.get("class_token", 1, 1, WIDTH));
    vit.with("conv_proj_weight", weights.get("conv_proj.weight", WIDTH, 3, 32, 32));
    vit.with("conv_proj_bias", weights.get("conv_proj.bias", WIDTH));
    vit.with("pos_embedding", weights.get("encoder.pos_embedding", 1, 50, WIDTH));
    for (int i = 0; i < LAYERS; i++) {
      vit.with("layer_" + i, layer(weights, "encoder.layers.encoder_layer_" + i + "."));
    }
    vit.with("ln_weight", weights.get("encoder.ln.weight", WIDTH));
    vit.with("ln_bias", weights.get("encoder.ln.bias", WIDTH));
    String source = ScriptProgram.resource(VitB32.class, "vit.py");
    return new ScriptProgram(
        tokens
            ? source.substring(0, source.indexOf(GRID)) + "    return torch.to(normed, 6)\n"
            : source,
        vit);
  }

  private static ScriptModule layer(Weights weights, String prefix) {
    String attention = prefix + "self_attention.";
    return new ScriptModule("Layer")
        .with("ln_1_weight", weights.get(prefix + "ln_1.weight", WIDTH))
        .with("ln_1_bias", weights.get(prefix + "ln_1.bias", WIDTH))
        .with("in_proj_weight", weights.get(attention + "in_proj_weight", 3 * WIDTH, WIDTH))
        .with("in_proj_bias", weights.get(attention + "in_proj_bias", 3 * WIDTH))
        .with("out_proj_weight", weights.get(attention + "out_proj.weight", WIDTH, WIDTH))
        .with("out_proj_bias", weights.get(attention + "out_proj.bias", WIDTH))
        .with("ln_2_weight", weights.get(prefix + "ln_2.weight", WIDTH))
        .with("ln_2_bias", weights.get(prefix + "ln_2.bias", WIDTH))
        .with("mlp_0_weight", weights.get(prefix + "mlp.0.weight", HIDDEN, WIDTH))
        .with("mlp_0_bias", weights.get(prefix + "mlp.0.bias", HIDDEN))
        .with("mlp_3_weight", weights.get(prefix + "mlp.3.weight", WIDTH, HIDDEN))
        .with("mlp_3_bias", weights.get(prefix + "mlp.3.bias", WIDTH));
  }

  /** Files of torchvision before 0.14 count the layers of the MLP otherwise. */
  @Override
  public String canonical(String name) {
    return name.replace("mlp.linear_1.", "mlp.0.").replace("mlp.linear_2.", "mlp.3.");
  }

  /** The classifier. */
  @Override
  public boolean ignores(String name) {
    return name.startsWith("heads.");
  }

  /** torchvision's distributions: Xavier for matrices, normal for patches and positions. */
  @Override
  public HostTensor initial(String name, long[] shape, SplittableRandom random) {
    if (name.equals("conv_proj.weight")) {
      return HostTensor.normal(random, 1 / Math.sqrt(3 * 32 * 32), shape);
    }
    if (name.endsWith("pos_embedding")) {
      return HostTensor.normal(random, 0.02, shape);
    }
    if (shape.length == 2) {
      return HostTensor.uniform(random, Math.sqrt(6.0 / (shape[0] + shape[1])), shape);
    }
    return HostTensor.full(name.contains("ln") && name.endsWith("weight") ? 1 : 0, shape);
  }
}
