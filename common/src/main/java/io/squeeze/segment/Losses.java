package io.squeeze.segment;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.LossSettings;
import io.squeeze.config.SqueezeException;
import io.squeeze.segment.SegmentationLoss.Term;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import java.util.List;

/** The losses of the reference project; all leave out pixels whose label is 255. */
final class Losses {
  private Losses() {}

  private static void refuseWeights(LossSettings settings) {
    if (!settings.classWeights().isEmpty()) {
      throw SqueezeException.configuration(
          "train.class-weights (--class_weights) are cross entropy's: "
              + settings.type()
              + " takes none");
    }
  }

  /** Cross entropy, with weights for the classes where there are some. */
  private record CrossEntropy(float[] weights) implements SegmentationLoss {

    static CrossEntropy of(LossSettings settings, int classes) {
      int given = settings.classWeights().size();
      if (given != 0 && given != classes) {
        throw SqueezeException.configuration(
            "train.class-weights (--class_weights) holds %s weights for %s classes"
                .formatted(given, classes));
      }
      float[] weights = new float[given];
      for (int k = 0; k < given; k++) {
        weights[k] = settings.classWeights().get(k).floatValue();
      }
      return new CrossEntropy(weights);
    }

    @Override
    public List<Term> terms(NDArray logits, NDArray target) {
      if (weights.length == 0) {
        return List.of(new Term("ce", 1, NativeKernels.crossEntropy(logits, target)));
      }
      NDArray each =
          Torch.floats(logits.getManager(), new Shape(weights.length), b -> b.put(weights));
      return List.of(new Term("ce", 1, NativeKernels.crossEntropy(logits, target, each)));
    }
  }

  /** ce: cross entropy. */
  public static final class CrossEntropyType implements LossType {
    @Override
    public String name() {
      return "ce";
    }

    @Override
    public SegmentationLoss create(LossSettings settings, int classes) {
      return CrossEntropy.of(settings, classes);
    }
  }

  /** dice: one minus the soft overlap of each class. */
  public static final class DiceType implements LossType {
    @Override
    public String name() {
      return "dice";
    }

    @Override
    public SegmentationLoss create(LossSettings settings, int classes) {
      refuseWeights(settings);
      return (logits, target) -> List.of(new Term("dice", 1, NativeKernels.dice(logits, target)));
    }
  }

  /** focal: cross entropy that counts less where it is small already. */
  public static final class FocalType implements LossType {
    @Override
    public String name() {
      return "focal";
    }

    @Override
    public SegmentationLoss create(LossSettings settings, int classes) {
      refuseWeights(settings);
      double gamma = settings.gamma();
      return (logits, target) ->
          List.of(new Term("focal", 1, NativeKernels.focal(logits, target, gamma)));
    }
  }

  /** combined: the weighted sum of all three. */
  public static final class CombinedType implements LossType {
    @Override
    public String name() {
      return "combined";
    }

    @Override
    public SegmentationLoss create(LossSettings settings, int classes) {
      return new Combined(CrossEntropy.of(settings, classes), settings);
    }
  }

  private record Combined(CrossEntropy crossEntropy, LossSettings settings)
      implements SegmentationLoss {

    @Override
    public List<Term> terms(NDArray logits, NDArray target) {
      NDArray ce = crossEntropy.terms(logits, target).get(0).value();
      NDArray focal = NativeKernels.focal(logits, target, settings.gamma());
      return List.of(
          new Term("ce", settings.ce(), ce),
          new Term("dice", settings.dice(), NativeKernels.dice(logits, target)),
          new Term("focal", settings.focal(), focal));
    }
  }
}
