package io.squeeze.dataset;

import io.squeeze.config.Seeds;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.Shape;
import java.awt.geom.AffineTransform;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.awt.image.WritableRaster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.ImageOutputStream;

/**
 * Draws a small data set in the layout of {@link OxfordPet}: one to three shapes of one breed
 * before a textured background, with trimaps, so that every command runs without a download.
 */
public final class Shapes {
  private static final List<String> BREEDS =
      List.of("circle", "ellipse", "square", "triangle", "star", "cross");
  private static final int BORDER = 8;

  private final long seed;

  /** The same seed draws the same pictures. */
  public Shapes(long seed) {
    this.seed = seed;
  }

  /**
   * Writes {@code count} photos with trimaps and lists; of each six, four are trainval, two test.
   *
   * @param folder created where missing
   */
  public void write(Path folder, int count) throws IOException {
    Files.createDirectories(folder.resolve("images"));
    Files.createDirectories(folder.resolve("annotations/trimaps"));
    List<String> trainval = new ArrayList<>();
    List<String> test = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int breed = i % BREEDS.size();
      int number = i / BREEDS.size() + 1;
      String name = BREEDS.get(breed) + "_" + number;
      draw(folder, name, breed);
      int species = breed < 2 ? 1 : 2;
      String line = name + " " + (breed + 1) + " " + species + " " + (breed % 3 + 1);
      (number % 3 == 0 ? test : trainval).add(line);
    }
    Files.write(folder.resolve("annotations/trainval.txt"), trainval);
    Files.write(folder.resolve("annotations/test.txt"), test);
  }

  private void draw(Path folder, String name, int breed) throws IOException {
    SplittableRandom random = Seeds.random(seed, "shapes " + name);
    int width = random.nextInt(260, 340);
    int height = random.nextInt(220, 300);
    BufferedImage photo = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    texture(photo, random, muted(random), muted(random), null);
    BufferedImage body = mask(width, height);
    BufferedImage rim = mask(width, height);
    Color first = vivid(random);
    Color second = vivid(random);
    int shapes = random.nextInt(1, 4);
    for (int s = 0; s < shapes; s++) {
      Shape shape = place(outline(breed), width, height, shapes, random);
      paint(body, shape, 0);
      paint(rim, shape, BORDER);
    }
    texture(photo, random, first, second, body);
    BufferedImage trimap = mask(width, height);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        boolean inside = body.getRaster().getSample(x, y, 0) > 0;
        boolean near = rim.getRaster().getSample(x, y, 0) > 0;
        trimap.getRaster().setSample(x, y, 0, inside ? 1 : near ? 3 : 2);
      }
    }
    writeJpeg(photo, folder.resolve("images/" + name + ".jpg"));
    ImageIO.write(trimap, "png", folder.resolve("annotations/trimaps/" + name + ".png").toFile());
  }

  /** The breed's outline in [-1, 1]^2. */
  private static Shape outline(int breed) {
    return switch (breed) {
      case 0 -> new Ellipse2D.Double(-1, -1, 2, 2);
      case 1 -> new Ellipse2D.Double(-1, -0.55, 2, 1.1);
      case 2 -> new Rectangle2D.Double(-0.85, -0.85, 1.7, 1.7);
      case 3 -> spikes(3, 0.5);
      case 4 -> spikes(5, 0.45);
      default -> spikes(4, 0.35);
    };
  }

  /** A polygon that goes in and out {@code points} times. */
  private static Shape spikes(int points, double inner) {
    Path2D path = new Path2D.Double();
    for (int i = 0; i < points * 2; i++) {
      double angle = Math.PI * i / points;
      double radius = i % 2 == 0 ? 1 : inner;
      double x = radius * StrictMath.sin(angle);
      double y = -radius * StrictMath.cos(angle);
      if (i == 0) {
        path.moveTo(x, y);
      } else {
        path.lineTo(x, y);
      }
    }
    path.closePath();
    return path;
  }

  private static Shape place(
      Shape outline, int width, int height, int shapes, SplittableRandom random) {
    double scale = Math.min(width, height) * (0.22 + 0.16 * random.nextDouble());
    scale *= shapes == 1 ? 1.2 : shapes == 2 ? 0.95 : 0.8;
    AffineTransform transform = new AffineTransform();
    transform.translate(
        width * (0.25 + 0.5 * random.nextDouble()), height * (0.25 + 0.5 * random.nextDouble()));
    transform.rotate(random.nextDouble() * 2 * Math.PI);
    transform.scale(scale, scale);
    return transform.createTransformedShape(outline);
  }

  private static BufferedImage mask(int width, int height) {
    return new BufferedImage(width, height, BufferedImage.TYPE_BYTE_GRAY);
  }

  private static void paint(BufferedImage mask, Shape shape, int grow) {
    Graphics2D graphics = mask.createGraphics();
    graphics.setColor(Color.WHITE);
    graphics.fill(shape);
    if (grow > 0) {
      graphics.setStroke(new java.awt.BasicStroke(2f * grow));
      graphics.draw(shape);
    }
    graphics.dispose();
  }

  /** Stripes of two colours with noise; over the whole picture or where the mask is set. */
  private static void texture(
      BufferedImage photo, SplittableRandom random, Color one, Color two, BufferedImage mask) {
    double angle = random.nextDouble() * Math.PI;
    double period = 5 + 22 * random.nextDouble();
    double dx = StrictMath.cos(angle) / period;
    double dy = StrictMath.sin(angle) / period;
    WritableRaster raster = photo.getRaster();
    int[] pixel = new int[3];
    for (int y = 0; y < photo.getHeight(); y++) {
      for (int x = 0; x < photo.getWidth(); x++) {
        int noise = random.nextInt(-14, 15);
        if (mask != null && mask.getRaster().getSample(x, y, 0) == 0) {
          continue;
        }
        double phase = x * dx + y * dy;
        double share = Math.abs(2 * (phase - Math.floor(phase)) - 1);
        pixel[0] = blend(one.getRed(), two.getRed(), share, noise);
        pixel[1] = blend(one.getGreen(), two.getGreen(), share, noise);
        pixel[2] = blend(one.getBlue(), two.getBlue(), share, noise);
        raster.setPixel(x, y, pixel);
      }
    }
  }

  private static int blend(int one, int two, double share, int noise) {
    return (int) Math.max(0, Math.min(255, one * share + two * (1 - share) + noise));
  }

  private static Color muted(SplittableRandom random) {
    return new Color(random.nextInt(60, 150), random.nextInt(80, 160), random.nextInt(80, 170));
  }

  private static Color vivid(SplittableRandom random) {
    return new Color(random.nextInt(170, 256), random.nextInt(40, 200), random.nextInt(20, 110));
  }

  private static void writeJpeg(BufferedImage image, Path path) throws IOException {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
    ImageWriteParam param = writer.getDefaultWriteParam();
    param.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
    param.setCompressionQuality(0.92f);
    try (ImageOutputStream out = ImageIO.createImageOutputStream(path.toFile())) {
      writer.setOutput(out);
      writer.write(null, new IIOImage(image, null, null), param);
    } finally {
      writer.dispose();
    }
  }
}
