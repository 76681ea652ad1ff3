package io.squeeze.jobs.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.codec.CodeCodec;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.SquareCrop;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.segment.GridScores;
import io.squeeze.segment.PredictedMask;
import io.squeeze.segment.SqueezeModel.Output;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Gives masks in a task, one photo at a time, so that a photo's mask does not depend on its
 * neighbours.
 *
 * @param classes their names
 * @param crop that made the square which the backbone saw: masks get the size of the photo; null:
 *     they have the size of the square
 */
public record Segmenter(LoadedModel loaded, List<String> classes, SquareCrop crop) {
  private static final int[] CLASSES = {1};

  /** Uses the model of a checkpoint on this task's device. */
  public static Segmenter inTask(Checkpoint checkpoint, SquareCrop crop) {
    return new Segmenter(LoadedModel.inTask(checkpoint), checkpoint.classNames(), crop);
  }

  /**
   * The mask of a photo.
   *
   * @param features float32 [1, C, h, w]
   * @param height of the photo in pixels
   * @param width of the photo in pixels
   */
  public PredictedMask ofFeatures(NDArray features, int height, int width) {
    return mask(loaded.model().scores(features, loaded.parameters()), height, width);
  }

  /** The same of features as they are stored: [C, h, w] in float32 or float16. */
  public PredictedMask ofFeatures(byte[] features, int height, int width) {
    int expected = loaded.layout().floatBytes();
    if (features.length != expected && features.length != expected / 2) {
      throw SqueezeException.input(
          "A grid has %d bytes, where the model takes %d x %d x %d values in float32 or float16"
              .formatted(
                  features.length,
                  loaded.layout().channels(),
                  loaded.layout().height(),
                  loaded.layout().width()));
    }
    try (NDManager scope = loaded.manager().newSubManager()) {
      NDArray one = Batch.features(scope, List.of(features), loaded.layout());
      return ofFeatures(one, height, width);
    }
  }

  /** The same of codes [h * w, levels] of the checkpoint's quantizer. */
  public PredictedMask ofCodes(int[] codes, int height, int width) {
    int[] levels = loaded.quantizer().codebookSizes();
    CodeCodec.check(codes, levels);
    int high = loaded.layout().height();
    int wide = loaded.layout().width();
    if (codes.length != high * wide * levels.length) {
      throw CodeCodec.damaged(
          codes.length + " codes for a grid of " + high + " x " + wide + " vectors");
    }
    try (NDManager scope = loaded.manager().newSubManager()) {
      long[] indices = Arrays.stream(codes).asLongStream().toArray();
      NDArray given = scope.create(indices, new Shape((long) high * wide, levels.length));
      NDArray scores = loaded.model().scores(given, high, wide, loaded.parameters());
      return mask(scores, height, width);
    }
  }

  private PredictedMask mask(NDArray scores, int height, int width) {
    int side = loaded.layout().size();
    int count = classes.size();
    if (crop != null) {
      Shape shape = scores.getShape();
      int high = (int) shape.get(2);
      int wide = (int) shape.get(3);
      return new GridScores(Torch.tensor(scores).floats(), count, high, wide, side)
          .mask(crop.columnsInCrop(width, height), crop.rowsInCrop(width, height));
    }
    NDArray square = scores.getManager().create(new Shape(1, side, side));
    // As evaluation does it, so that its masks are the same.
    Output output = new Output(NativeKernels.upsample(scores, square), null, null);
    float sure = output.logits().softmax(1).max(CLASSES).mean().getFloat();
    return PredictedMask.of(output.masks(), side, side, count, sure);
  }

  /** The cells of a row of {@link Columns#predictions} that a mask gives, by column. */
  public Map<String, Object> cells(PredictedMask mask) {
    Map<String, Object> cells = new LinkedHashMap<>();
    cells.put(Columns.MASK_HEIGHT, mask.height());
    cells.put(Columns.MASK_WIDTH, mask.width());
    cells.put(Columns.MASK, mask.labels());
    for (int k = 0; k < classes.size(); k++) {
      cells.put(Columns.SHARE + classes.get(k), mask.shares()[k]);
    }
    cells.put(Columns.CONFIDENCE, mask.confidence());
    cells.put(Columns.OUTSIDE, mask.outside());
    return cells;
  }
}
