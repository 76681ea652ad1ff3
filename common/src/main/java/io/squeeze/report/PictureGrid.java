package io.squeeze.report;

import io.squeeze.image.Mask;
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
 * Draws samples below each other in columns: photo, ground truth, the baseline's mask where there
 * is one, the quantized model's mask, and the IoU that each of them reached. Masks are filled, or
 * outlines over the photo.
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

  private final String title;
  private final String model;
  private final List<String> classes;
  private final List<Integer> palette;
  private final boolean outlines;
  private final Paint paint;

  /**
   * A grid under a title, with the names and colours of the classes as its key.
   *
   * @param model what the quantized model is called above its column
   * @param outlines whether masks are outlines over the photo
   */
  public PictureGrid(
      String title, String model, List<String> classes, List<Integer> palette, boolean outlines) {
    this.title = title;
    this.model = model;
    this.classes = classes;
    this.palette = palette;
    this.outlines = outlines;
    this.paint = new Paint(palette);
  }

  /** Writes the picture as PNG; at least one row, all with a baseline or none. */
  public void write(List<Picture> rows, OutputStream out) throws IOException {
    int side = rows.get(0).truth().width();
    List<String> columns = columns(rows.get(0));
    int width = MARGIN + columns.size() * (side + MARGIN);
    int height = HEADER + rows.size() * (side + CAPTION) + MARGIN;
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = image.createGraphics();
    g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
    g.setRenderingHint(
        RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
    g.setColor(Color.WHITE);
    g.fillRect(0, 0, width, height);
    header(g, columns, side, width);
    for (int i = 0; i < rows.size(); i++) {
      row(g, rows.get(i), HEADER + i * (side + CAPTION), side);
    }
    g.dispose();
    ImageIO.write(image, "png", out);
  }

  private List<String> columns(Picture picture) {
    return picture.baseline() == null
        ? List.of("Image", "Ground truth", model, "IoU")
        : List.of("Image", "Ground truth", "Baseline", model, "IoU");
  }

  private void header(Graphics2D g, List<String> columns, int side, int width) {
    g.setColor(INK);
    g.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 20));
    g.drawString(fitted(g, title, width - 2 * MARGIN), MARGIN, 30);
    g.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    int x = MARGIN;
    for (int k = 0; k < classes.size(); k++) {
      x = key(g, x, palette.get(k), classes.get(k));
    }
    key(g, x, Paint.IGNORED, "not counted");
    g.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 14));
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

  private void row(Graphics2D g, Picture row, int top, int side) {
    int column = 0;
    g.drawImage(Paint.photo(row), column(column++, side), top, null);
    g.drawImage(drawn(row, row.truth()), column(column++, side), top, null);
    if (row.baseline() != null) {
      g.drawImage(drawn(row, row.baseline()), column(column++, side), top, null);
    }
    g.drawImage(drawn(row, row.quantized()), column(column++, side), top, null);
    g.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    g.setColor(SOFT);
    g.drawString(fitted(g, row.id(), side), column(0, side), top + side + 16);
    int left = column(column, side);
    bar(g, model, row.quantizedIou(), BAR, left, top + side / 2 - 56, side);
    if (row.baseline() != null) {
      bar(g, "Baseline", row.baselineIou(), BASE_BAR, left, top + side / 2 + 12, side);
    }
  }

  private BufferedImage drawn(Picture picture, Mask mask) {
    return outlines ? paint.outlined(picture, mask) : paint.filled(mask);
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
}
