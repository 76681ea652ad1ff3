package io.squeeze.report;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.image.Mask;
import io.squeeze.image.RgbImage;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;

class PictureGridTest {

  @Test
  void eachColumnShowsItsOwnPicture() throws Exception {
    int side = 64;
    byte[] green = new byte[side * side * 3];
    for (int i = 1; i < green.length; i += 3) {
      green[i] = (byte) 200;
    }
    Picture row =
        new Picture(
            "a_sample_with_a_name_that_is_much_longer_than_its_picture",
            new RgbImage(side, side, green),
            mask(side, 0),
            mask(side, 1),
            mask(side, 255),
            0.5,
            Double.NaN);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    new PictureGrid("Best", "VQ", List.of("pet", "background"), List.of(0xFF0000, 0x0000FF), false)
        .write(List.of(row, row), out);
    BufferedImage image = ImageIO.read(new ByteArrayInputStream(out.toByteArray()));
    int y = 92 + side / 2;
    assertThat(image.getRGB(16 + side / 2, y)).isEqualTo(0xFF00C800);
    assertThat(image.getRGB(16 + 80 + side / 2, y)).isEqualTo(0xFFFF0000);
    assertThat(image.getRGB(16 + 160 + side / 2, y)).isEqualTo(0xFF0000FF);
    assertThat(image.getRGB(16 + 240 + side / 2, y)).isEqualTo(0xFF000000);
    assertThat(image.getHeight()).isEqualTo(92 + 2 * (side + 26) + 16);
  }

  private static Mask mask(int side, int label) {
    byte[] data = new byte[side * side];
    java.util.Arrays.fill(data, (byte) label);
    return new Mask(side, side, data);
  }
}
