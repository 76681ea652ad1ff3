package io.squeeze.backbone;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.squeeze.config.BackboneSettings.Layout;
import io.squeeze.config.ImageSettings.Windows;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.Preprocessing;
import io.squeeze.torch.Torch;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Photos of 7 x 7 cells of 8 pixels, seen through windows of 4 x 4 cells. */
class WindowedBackboneTest {
  private static final int SIZE = 56;
  private static final Windows WINDOWS = new Windows(32, 21);

  @TempDir private static Path folder;

  /** Means of cells, and tokens of cells behind a class token, the mean of the window. */
  private static Backbone load(Windows windows, Layout layout) throws IOException {
    Torch.start(1);
    String result =
        layout == Layout.NCHW
            ? "c"
            : "torch.cat([torch.transpose(torch.flatten(m, 2, -1), 1, 2), t], 1)";
    Path file =
        Programs.write(
            folder.resolve(layout + ".pt"),
            """
                g = torch.avg_pool2d(x, [8, 8], [8, 8], [0, 0], True, True, None)
                m = torch.mean(x, [2, 3], True, dtype=None)
                c = torch.mul(g, m)
                t = torch.transpose(torch.flatten(c, 2, -1), 1, 2)
                return %s
            """
                .formatted(result));
    Preprocessing preprocessing =
        Preprocessing.from(Settings.defaults().with("image.size", Integer.toString(SIZE)).image());
    int prefix = layout == Layout.TOKENS ? 1 : 0;
    return TorchScriptBackbone.shared(
        BackboneFile.of(
                "P", file, preprocessing, Precision.FP32, new BackboneFile.Output(layout, prefix))
            .over(windows),
        file,
        Device.cpu());
  }

  /** Mean of a square of the photo. */
  private static double mean(NDArray photo, int channel, int y, int x, int side) {
    return photo
        .get("0,%d,%d:%d,%d:%d".formatted(channel, y, y + side, x, x + side))
        .mean()
        .getFloat();
  }

  @Test
  void aVectorIsTheMeanOfTheWindowsOverItsPlace() throws IOException {
    Backbone windowed = load(WINDOWS, Layout.TOKENS);
    assertThat(windowed.grid()).isEqualTo(new Grid(3, 7, 7));
    assertThat(windowed.stride()).isEqualTo(8);
    try (NDManager manager = Torch.manager(Device.cpu())) {
      NDArray photos =
          manager
              .arange(2 * 3 * SIZE * SIZE)
              .toType(DataType.FLOAT32, false)
              .div(1000)
              .sin()
              .reshape(new Shape(2, 3, SIZE, SIZE));
      Backbone.Outputs all = windowed.outputs(photos);
      NDArray photo = photos.get("1:2");
      int[] starts = {0, 2, 3};
      for (int channel = 0; channel < 3; channel++) {
        double token = 0;
        for (int top : starts) {
          for (int left : starts) {
            token += mean(photo, channel, 8 * top, 8 * left, 32) / 9;
          }
        }
        assertThat(all.token().getFloat(1, channel)).isCloseTo((float) token, within(1e-5f));
        for (int[] place : new int[][] {{0, 0}, {3, 1}, {3, 3}, {6, 2}}) {
          double sum = 0;
          int count = 0;
          for (int top : starts) {
            for (int left : starts) {
              if (covers(top, place[0]) && covers(left, place[1])) {
                sum += mean(photo, channel, 8 * top, 8 * left, 32);
                count++;
              }
            }
          }
          double cell = mean(photo, channel, 8 * place[0], 8 * place[1], 8);
          assertThat(all.grid().getFloat(1, channel, place[0], place[1]))
              .as("place %d, %d of channel %d", place[0], place[1], channel)
              .isCloseTo((float) (cell * sum / count), within(1e-5f));
        }
      }
      NDArray grids = load(WINDOWS, Layout.NCHW).features(photos);
      assertThat(grids.allClose(all.grid(), 1e-5, 1e-6, false)).isTrue();
      // One window of the whole photo is the photo.
      NDArray whole = load(null, Layout.NCHW).features(photos);
      NDArray once = load(new Windows(SIZE, 1), Layout.NCHW).features(photos);
      assertThat(once.contentEquals(whole)).isTrue();
    }
  }

  private static boolean covers(int start, int cell) {
    return start <= cell && cell < start + 4;
  }

  @Test
  void windowsLieAtWholeCellsUpToTheEdge() {
    Grid window = new Grid(5, 32, 32);
    SlidingWindows field = SlidingWindows.of(new Windows(512, 341), 1024, window);
    assertThat(field.stride()).isEqualTo(336);
    assertThat(field.starts()).containsExactly(0, 21, 32);
    assertThat(field.grid()).isEqualTo(new Grid(5, 64, 64));
    assertThat(SlidingWindows.over(field.grid(), 1024, new Windows(512, 341))).isEqualTo(field);
    assertThat(SlidingWindows.of(new Windows(512, 5), 528, window).starts()).containsExactly(0, 1);
    assertThatThrownBy(() -> SlidingWindows.of(new Windows(512, 341), 1000, window))
        .isInstanceOf(SqueezeException.class)
        .hasMessage(
            "A vector of the backbone stands for 16 pixels, and image.size is 1000: set it to 992"
                + " or 1008, so that windows fit");
    assertThatThrownBy(() -> SlidingWindows.of(new Windows(500, 341), 1000, window))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("become 32 x 32 vectors, which stand for no whole number of pixels");
  }

  @Test
  void aWindowThatIsNoMultipleOfTheStrideIsFoundOut() throws IOException {
    // 28 pixels become 4 cells of 8 pixels, the last one of less: no cells of 7 pixels.
    assertThatThrownBy(() -> load(new Windows(28, 14), Layout.NCHW))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("Windows of 28 pixels become 4 x 4 vectors");
  }
}
