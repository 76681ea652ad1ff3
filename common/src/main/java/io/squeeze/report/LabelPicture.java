package io.squeeze.report;

import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.awt.image.IndexColorModel;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import javax.imageio.ImageIO;

/**
 * Masks as PNG with a palette: a pixel's value is its label, and viewers show the class's colour.
 */
public final class LabelPicture {
  private LabelPicture() {}

  /**
   * The bytes of a PNG file, 8 bits a pixel; PIL opens it in mode P.
   *
   * @param labels [height, width]
   * @param palette 0xRRGGBB of each label; labels beyond it are black
   */
  public static byte[] png(byte[] labels, int height, int width, List<Integer> palette)
      throws IOException {
    int[] colours = new int[256];
    for (int i = 0; i < palette.size(); i++) {
      colours[i] = palette.get(i);
    }
    IndexColorModel model =
        new IndexColorModel(8, colours.length, colours, 0, false, -1, DataBufferByte.TYPE_BYTE);
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_BYTE_INDEXED, model);
    image.getRaster().setDataElements(0, 0, width, height, labels);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    ImageIO.write(image, "png", bytes);
    return bytes.toByteArray();
  }
}
