package io.squeeze.report;

import io.squeeze.image.Mask;
import io.squeeze.image.RgbImage;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.Locale;
import javax.imageio.ImageIO;

/**
 * Draws samples below each other in five columns: photo, ground truth, the baseline's mask, the
 * quantized model's mask, and the IoU that each of them reached.
 */
public final class PictureGrid {
  private static final int MARGIN = 16;
  private static final int HEADER = 92;
  private static final int CAPTION = 26;
  private static final Color INK = new Color(0x1F2933);
  private static final Color SOFT = new Color(0x7B8794);
  private static final Color BAR = new Color(0x3E7CB1);
  private static final Color BASE_BAR = new Color(0xA3B1BF);
  private static final Color RAIL = new Color(0xE4E7EB);
  private static final int IGNORED = 0x000000;

  private final String title;
  private final List<String> classes;
  private final List<Integer> palette;

  /** A grid under a title, with the names and colours of the classes as its key. */
  public PictureGrid(String title, List<String> classes, List<Integer> palette) {
    this.title = title;
    this.classes = classes;
    this.palette = palette;
  }

  /**
   * One sample.
   *
   * @param photo as the backbone saw it, as large as the masks
   */
  public record Row(
      String id,
      RgbImage photo,
      Mask truth,
      Mask baseline,
      Mask quantized,
      double baselineIou,
      double quantizedIou) {}

  /** Writes the picture as PNG; at least one row. */
  public void write(List<Row> rows, OutputStream out) throws IOException {
    int side = rows.get(0).photo().width();
    int width = MARGIN + 5 * (side + MARGIN);
    int height = HEADER + rows.size() * (side + CAPTION) + MARGIN;
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = image.createGraphics();
    g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
    g.setRenderingHint(
        RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
    g.setColor(Color.WHITE);
    g.fillRect(0, 0, width, height);
    header(g, side, width);
    for (int i = 0; i < rows.size(); i++) {
      row(g, rows.get(i), HEADER + i * (side + CAPTION), side);
    }
    g.dispose();
    ImageIO.write(image, "png", out);
  }

  private void header(Graphics2D g, int side, int width) {
    g.setColor(INK);
    g.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 20));
    g.drawString(fitted(g, title, width - 2 * MARGIN), MARGIN, 30);
    g.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    int x = MARGIN;
    for (int k = 0; k < classes.size(); k++) {
      x = key(g, x, palette.get(k), classes.get(k));
    }
    key(g, x, IGNORED, "not counted");
    g.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 14));
    List<String> columns = List.of("Image", "Ground truth", "Baseline", "VQ", "IoU");
    for (int c = 0; c < columns.size(); c++) {
      String name = columns.get(c);
      int left = column(c, side) + (side - g.getFontMetrics().stringWidth(name)) / 2;
      g.drawString(name, left, HEADER - 8);
    }
  }

  private static int key(Graphics2D g, int x, int colour, String name) {
    g.setColor(new Color(colour));
    g.fillRect(x, 42, 14, 14);
    g.setColor(INK);
    g.drawString(name, x + 20, 54);
    return x + 20 + g.getFontMetrics().stringWidth(name) + 22;
  }

  private void row(Graphics2D g, Row row, int top, int side) {
    g.drawImage(picture(row.photo()), column(0, side), top, null);
    g.drawImage(picture(row.truth()), column(1, side), top, null);
    g.drawImage(picture(row.baseline()), column(2, side), top, null);
    g.drawImage(picture(row.quantized()), column(3, side), top, null);
    g.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    g.setColor(SOFT);
    g.drawString(fitted(g, row.id(), side), column(0, side), top + side + 16);
    int left = column(4, side);
    bar(g, "VQ", row.quantizedIou(), BAR, left, top + side / 2 - 56, side);
    bar(g, "Baseline", row.baselineIou(), BASE_BAR, left, top + side / 2 + 12, side);
  }

  private static void bar(
      Graphics2D g, String name, double iou, Color colour, int left, int top, int width) {
    boolean known = !Double.isNaN(iou);
    g.setColor(INK);
    g.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 14));
    g.drawString(name, left + 12, top + 14);
    g.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 18));
    String text = known ? String.format(Locale.ROOT, "%.3f", iou) : "-";
    g.drawString(text, left + width - 12 - g.getFontMetrics().stringWidth(text), top + 15);
    g.setColor(RAIL);
    g.fillRoundRect(left + 12, top + 24, width - 24, 12, 6, 6);
    g.setColor(colour);
    g.setStroke(new BasicStroke(1));
    if (known) {
      g.fillRoundRect(left + 12, top + 24, (int) Math.round((width - 24) * iou), 12, 6, 6);
    }
  }

  /** The text, its end replaced where it is too wide. */
  private static String fitted(Graphics2D g, String text, int width) {
    String shown = text;
    while (shown.length() > 1 && g.getFontMetrics().stringWidth(shown) > width) {
      shown = shown.substring(0, shown.length() - 2) + "…";
    }
    return shown;
  }

  private static int column(int index, int side) {
    return MARGIN + index * (side + MARGIN);
  }

  private static BufferedImage picture(RgbImage photo) {
    BufferedImage image =
        new BufferedImage(photo.width(), photo.height(), BufferedImage.TYPE_INT_RGB);
    byte[] p = photo.data();
    for (int i = 0; i < photo.width() * photo.height(); i++) {
      int rgb = (p[i * 3] & 0xFF) << 16 | (p[i * 3 + 1] & 0xFF) << 8 | (p[i * 3 + 2] & 0xFF);
      image.setRGB(i % photo.width(), i / photo.width(), rgb);
    }
    return image;
  }

  private BufferedImage picture(Mask mask) {
    BufferedImage image =
        new BufferedImage(mask.width(), mask.height(), BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < mask.data().length; i++) {
      int label = mask.data()[i] & 0xFF;
      int colour = label < palette.size() ? palette.get(label) : IGNORED;
      image.setRGB(i % mask.width(), i / mask.width(), colour);
    }
    return image;
  }
}
