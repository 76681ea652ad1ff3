package io.squeeze.segment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.Seeds;
import io.squeeze.image.SquareCrop;
import io.squeeze.segment.SqueezeModel.Output;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Torch;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class GridScoresTest {
  private static final int SIDE = 56;
  private static final int CLASSES = 4;
  private static final double[] SQUARE = IntStream.range(0, SIDE).asDoubleStream().toArray();

  @BeforeAll
  static void startTorch() {
    Torch.start(1);
  }

  private static GridScores scores() {
    float[] scores = new float[CLASSES * 7 * 7];
    SplittableRandom random = Seeds.random(1, "scores");
    for (int i = 0; i < scores.length; i++) {
      scores[i] = (float) random.nextDouble(-3, 3);
    }
    return new GridScores(scores, CLASSES, 7, 7, SIDE);
  }

  @Test
  void theSquareItselfIsTorchsUpsampling() {
    GridScores scores = scores();
    PredictedMask mask = scores.mask(SQUARE, SQUARE);
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray logits = manager.create(scores.scores(), new Shape(1, CLASSES, 7, 7));
      NDArray up = NativeKernels.upsample(logits, manager.zeros(new Shape(SIDE, SIDE)));
      assertThat(mask.labels()).isEqualTo(new Output(up, null, null).masks());
      assertThat(mask.confidence())
          .isCloseTo(up.softmax(1).max(new int[] {1}).mean().getFloat(), within(1e-5));
    }
    assertThat(mask.outside()).isZero();
    assertThat(IntStream.range(0, CLASSES).mapToDouble(k -> mask.shares()[k]).sum())
        .isCloseTo(1, within(1e-12));
  }

  /** A photo of 112 x 80 was made 78 x 56, and 11 columns were cut off on either side. */
  @Test
  void aPhotoGetsTheClassesOfItsCropAndNoneOutsideIt() {
    SquareCrop crop = new SquareCrop(SIDE, SIDE, false);
    double[] xs = crop.columnsInCrop(112, 80);
    double[] ys = crop.rowsInCrop(112, 80);
    PredictedMask mask = scores().mask(xs, ys);
    assertThat(mask.width()).isEqualTo(112);
    assertThat(mask.height()).isEqualTo(80);
    byte[] square = scores().mask(SQUARE, SQUARE).labels();
    int differ = 0;
    int outside = 0;
    for (int y = 0; y < 80; y++) {
      for (int x = 0; x < 112; x++) {
        int label = mask.labels()[y * 112 + x] & 0xFF;
        double at = (x + 0.5) * 78 / 112 - 11;
        if (at < 0 || at >= SIDE) {
          assertThat(label).isEqualTo(PredictedMask.OUTSIDE);
          outside++;
        } else {
          int row = (int) ((y + 0.5) * SIDE / 80);
          differ += label == square[row * SIDE + (int) at] ? 0 : 1;
        }
      }
    }
    assertThat(outside).isEqualTo(80 * (16 + 16));
    assertThat(mask.outside()).isEqualTo(outside / (80.0 * 112));
    // Only pixels at the borders between classes may differ.
    assertThat(differ).isLessThan(80 * 112 / 10);
  }
}
