package io.squeeze.jobs.export;

import io.squeeze.backbone.BackboneFile.Output;
import io.squeeze.backbone.Grid;
import io.squeeze.backbone.SlidingWindows;
import io.squeeze.config.ImageSettings.Windows;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.torch.EmbeddedProgram;
import io.squeeze.torch.ScriptArchive;
import io.squeeze.torch.ScriptBody;
import io.squeeze.torch.ScriptModule;
import io.squeeze.torch.ScriptProgram;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.weights.HostTensor;
import io.squeeze.weights.TensorSource;
import java.io.IOException;
import java.io.OutputStream;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A trained model as TorchScript. Of photos: {@code forward} (photos to logits), {@code encode}
 * (photos to codes) and {@code decode} (codes to logits), with the backbone among its modules. Of a
 * table's vectors: {@code encode} and {@code decode}, and both as {@code forward}.
 */
final class ServingProgram {
  /** The namespace of the program's class. */
  private static final String NAME = "embeddings_squeeze";

  private static final String CLASS = NAME + ".Model";

  private final Checkpoint checkpoint;
  private final SqueezeModel model;
  private final Map<String, TensorSource> attributes = new LinkedHashMap<>();
  private final StringBuilder methods = new StringBuilder();
  private EmbeddedProgram backbone;

  private ServingProgram(Checkpoint checkpoint) {
    this.checkpoint = checkpoint;
    this.model = checkpoint.model();
  }

  /** A quantizer alone, of vectors [N, C]. */
  static ServingProgram ofVectors(Checkpoint checkpoint) {
    ServingProgram program = new ServingProgram(checkpoint);
    ScriptBody encode = program.body();
    program.method("encode", "x", encode, program.model.quantizer().encodeScript(encode, "x"));
    ScriptBody decode = program.body();
    program.method(
        "decode", "codes", decode, program.model.quantizer().decodeScript(decode, "codes"));
    program.forwardByCodes();
    return program;
  }

  /**
   * The whole model, of photos [B, 3, S, S] that are cropped and normalised.
   *
   * @param output of the backbone
   * @param windows that the backbone sees; null where it sees the whole photo
   * @param half whether features are rounded to float16, as they were stored for training
   */
  static ServingProgram ofPhotos(
      Checkpoint checkpoint,
      EmbeddedProgram backbone,
      Output output,
      Windows windows,
      boolean half) {
    ServingProgram program = new ServingProgram(checkpoint);
    program.backbone = backbone;
    Batch.Layout layout = checkpoint.layout();
    Grid grid = new Grid(layout.channels(), layout.height(), layout.width());
    SlidingWindows sliding =
        windows == null ? null : SlidingWindows.over(grid, layout.size(), windows);
    program.seen(output, sliding == null ? grid : sliding.window());
    program.features(sliding, half);
    int levels = program.model.quantizer().codebookSizes().length;
    if (levels == 0) {
      ScriptBody forward = program.body();
      String features = forward.let("(self).features(x, )");
      String scores = program.model.scoresScript(forward, features);
      program.method("forward", "x", forward, program.upsampled(forward, scores));
      return program;
    }
    int height = layout.height();
    int width = layout.width();
    ScriptBody encode = program.body();
    String codes = program.model.encodeScript(encode, encode.let("(self).features(x, )"));
    program.method(
        "encode",
        "x",
        encode,
        encode.let("torch.reshape(%s, [-1, %d, %d, %d])", codes, height, width, levels));
    ScriptBody decode = program.body();
    String flat = decode.let("torch.reshape(codes, [-1, %d])", levels);
    String scores = program.model.scoresScript(decode, flat, height, width);
    program.method("decode", "codes", decode, program.upsampled(decode, scores));
    program.forwardByCodes();
    return program;
  }

  private ScriptBody body() {
    return new ScriptBody(checkpoint.state().tensors(), attributes);
  }

  private void forwardByCodes() {
    ScriptBody forward = body();
    method("forward", "x", forward, forward.let("(self).decode((self).encode(x, ), )"));
  }

  /** The method of the backbone's grid [B, C, h, w]. */
  private void seen(Output output, Grid seen) {
    ScriptBody body = body();
    String given = body.let("torch.to((self.backbone).forward(x, ), 6)");
    String grid =
        switch (output.layout()) {
          case NCHW -> given;
          case NHWC -> body.let("torch.permute(%s, [0, 3, 1, 2])", given);
          case TOKENS -> {
            String tokens =
                body.let(
                    "torch.slice(%s, 1, %d, %d, 1)", given, output.prefix(), Integer.MAX_VALUE);
            yield body.let(
                "torch.reshape(torch.transpose(%s, 1, 2), [-1, %d, %d, %d])",
                tokens, seen.channels(), seen.height(), seen.width());
          }
        };
    method("seen", "x", body, grid);
  }

  /** The method of the features of a photo: of the whole, or the means of windows. */
  private void features(SlidingWindows sliding, boolean half) {
    ScriptBody body = body();
    String grid = sliding == null ? body.let("(self).seen(x, )") : averaged(body, sliding);
    String stored = half ? body.let("torch.to(torch.to(%s, 5), 6)", grid) : grid;
    method("features", "x", body, stored);
  }

  private String averaged(ScriptBody body, SlidingWindows sliding) {
    int side = sliding.grid().height();
    String sum = null;
    for (SlidingWindows.Window window : sliding.windows()) {
      String rows = body.let("torch.slice(x, 2, %d, %d, 1)", window.top(), window.bottom());
      String pixels =
          body.let("torch.slice(%s, 3, %d, %d, 1)", rows, window.left(), window.right());
      String seen = body.let("(self).seen(%s, )", pixels);
      int below = side - window.y() - window.cells();
      int right = side - window.x() - window.cells();
      String placed =
          body.let(
              "torch.constant_pad_nd(%s, [%d, %d, %d, %d], 0)",
              seen, window.x(), right, window.y(), below);
      sum = sum == null ? placed : body.let("torch.add(%s, %s, alpha=1)", sum, placed);
    }
    String weights =
        body.constant("window_weights", HostTensor.of(sliding.weights(), 1, 1, side, side));
    return body.let("torch.mul(%s, %s)", sum, weights);
  }

  private String upsampled(ScriptBody body, String scores) {
    int side = checkpoint.layout().size();
    return body.let(
        "torch.upsample_bilinear2d(%s, [%d, %d], False, None, None)", scores, side, side);
  }

  private void method(String name, String argument, ScriptBody body, String result) {
    methods
        .append(
            "  def %s(self: __torch__.%s, %s: Tensor) -> Tensor:\n"
                .formatted(name, CLASS, argument))
        .append(body.returning(result));
  }

  /** Writes the archive, and closes the stream. */
  void write(OutputStream out) throws IOException {
    StringBuilder source = new StringBuilder("class Model(Module):\n  __parameters__ = []\n");
    source.append("  __buffers__ = [");
    attributes.keySet().forEach(name -> source.append('"').append(name).append("\", "));
    source.append("]\n");
    ScriptModule module = new ScriptModule(CLASS);
    attributes.forEach(
        (name, tensor) -> {
          source.append("  ").append(name).append(" : Tensor\n");
          module.with(name, tensor);
        });
    if (backbone != null) {
      source.append("  backbone : ").append(backbone.className()).append('\n');
      module.with("backbone", backbone);
    }
    source.append(methods);
    ScriptArchive.write(new ScriptProgram(source.toString(), module), NAME, backbone, out);
  }
}
