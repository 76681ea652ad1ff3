package io.squeeze.quantize;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where a quantizer searches: the nearest location is that of the code that it gives. */
class SearchSpaceTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        "type = vq, codebook-size = 32",
        "type = vq, codebook-size = 32, cosine = true",
        "type = rvq, codebook-size = 32, num-quantizers = 1",
        "type = pq, codebook-size = 8, num-quantizers = 1",
        "type = fsq, fsq.levels = [5, 4, 3]",
        "type = fsq, fsq { levels = [5, 4, 3], symmetric = true }",
        "type = lfq, codebook-size = 32"
      })
  void theNearestLocationIsThatOfTheCode(String given) {
    Settings settings =
        Settings.load(List.of(ConfigFactory.parseString("quantizer { " + given + " }")));
    Torch.start(1);
    Quantizer quantizer = Quantizer.of(settings.quantizer(), 12);
    SplittableRandom random = Seeds.random(1, given);
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, quantizer.initial(3))) {
      float[] values = new float[64 * 12];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (2 * Seeds.gaussian(random));
      }
      NDArray vectors = manager.create(values, new Shape(64, 12));
      long[] codes =
          quantizer
              .quantize(vectors, parameters, Quantizer.Mode.EVALUATION)
              .codes()
              .reshape(-1)
              .toLongArray();
      int size = quantizer.codebookSizes()[0];
      NDArray all = manager.arange(size).toType(ai.djl.ndarray.types.DataType.INT64, false);
      NDArray places = quantizer.codewordsInSearchSpace(all.reshape(size, 1), parameters);
      NDArray located = quantizer.toSearchSpace(vectors, parameters);
      NDArray distances =
          located.expandDims(1).sub(places.expandDims(0)).square().sum(new int[] {2});
      float[] nearest = distances.min(new int[] {1}).toFloatArray();
      for (int i = 0; i < codes.length; i++) {
        float own = distances.getFloat(i, codes[i]);
        assertThat(own).isLessThanOrEqualTo(nearest[i] + 1e-4f);
      }
    }
  }
}
