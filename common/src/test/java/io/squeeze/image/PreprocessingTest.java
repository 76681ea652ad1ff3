package io.squeeze.image;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.config.Settings;
import io.squeeze.golden.Golden;
import java.nio.FloatBuffer;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PreprocessingTest {

  @ParameterizedTest
  @CsvSource({"75x50_to_32, 32", "240x400_to_224, 224", "301x260_to_224, 224"})
  void everyBitIsTorchvisions(String name, int size) throws BadSampleException {
    Golden golden = new Golden("preprocess_" + name);
    int height = (int) golden.shape("image")[0];
    int width = (int) golden.shape("image")[1];
    var defaults = Preprocessing.from(Settings.defaults().image());
    Preprocessing preprocessing =
        new Preprocessing(size, size, false, defaults.mean(), defaults.std());

    RgbImage photo = preprocessing.crop(new RgbImage(width, height, golden.bytes("image")));
    Mask mask = preprocessing.crop(new Mask(width, height, golden.bytes("trimap")));
    FloatBuffer normalised = FloatBuffer.allocate(3 * size * size);
    preprocessing.normalise(photo, normalised);

    assertThat(photo.data()).isEqualTo(golden.bytes("image_resized_cropped"));
    assertThat(mask.data()).isEqualTo(golden.bytes("mask_resized_cropped"));
    for (int c = 0; c < 3; c++) {
      float[] row = Arrays.copyOfRange(normalised.array(), c * size * size, c * size * size + size);
      float[] expected =
          Arrays.copyOfRange(golden.floats("normalized_row0"), c * size, (c + 1) * size);
      assertThat(row).isEqualTo(expected);
    }
  }
}
