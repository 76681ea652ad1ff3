package io.squeeze.jobs;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.config.Settings;
import io.squeeze.dataset.OxfordPet;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.ImageDecoder;
import io.squeeze.image.Preprocessing;
import io.squeeze.image.jpeg.TurboJpeg;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.torch.ScriptArchive;
import io.squeeze.torch.ScriptModule;
import io.squeeze.torch.ScriptProgram;
import java.awt.Image;
import java.awt.image.BufferedImage;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.apache.spark.sql.SparkSession;

/**
 * Preparing photos beside Pillow on one core, in turns, and what a job around a backbone of no cost
 * leaves of that rate on all cores. The argument is a data set in the Oxford-IIIT layout.
 * CONTRIBUTING.md has the command.
 */
@SuppressWarnings("SystemOut")
public final class PixelsBenchmark {
  private static final int TURNS = 3;
  private static final int ROUNDS = 5;

  /** Copies of the data set that the job runs over. */
  private static final int COPIES = 40;

  private static final OxfordPet PETS = new OxfordPet();

  private static final String FREE =
      """
      class Free(Module):
        __parameters__ = []
        __buffers__ = []
        def forward(self: __torch__.Free, x: Tensor) -> Tensor:
          return torch.slice(torch.slice(x, 2, 0, 224, 32), 3, 0, 224, 32)
      """;

  private PixelsBenchmark() {}

  public static void main(String[] args) throws Exception {
    if (args[0].equals("--prepare")) {
      System.out.printf(Locale.ROOT, "%.3f%n", prepared(Path.of(args[1]), args[2]));
      return;
    }
    Path images = Path.of(args[0], "images");
    compare("photos of the data set", images, "full");
    Path large = large(images, Files.createTempDirectory("large"));
    compare("photos of 12 megapixels", large, "full");
    compare("photos of 12 megapixels, scaled while they are decoded", large, "scaled");
    feed(Path.of(args[0]));
  }

  /** Ours in Java, ours with libjpeg-turbo, and Pillow, each as a process on one core. */
  private static void compare(String what, Path images, String decode) throws Exception {
    String script =
        Path.of("common", "src", "test", "python", "pillow_rate.py").toAbsolutePath().toString();
    List<Double> java = new ArrayList<>();
    List<Double> turbo = new ArrayList<>();
    List<Double> pillow = new ArrayList<>();
    String version = "";
    for (int i = 0; i < TURNS; i++) {
      java.add(number(run(ours("off", images, decode))));
      turbo.add(number(run(ours("on", images, decode))));
      String answer = run(List.of("/usr/bin/python3", script, images.toString(), decode));
      if (answer != null) {
        version = answer.substring(answer.indexOf(' ') + 1);
        pillow.add(number(answer));
      }
    }
    double slow = median(java);
    double fast = median(turbo);
    if (pillow.isEmpty()) {
      System.out.printf(
          Locale.ROOT,
          "%s: %.2f ms in Java, %.2f with %s; no Pillow here to compare with (python3-pil)%n",
          what,
          slow,
          fast,
          TurboJpeg.name());
      return;
    }
    double peer = median(pillow);
    System.out.printf(
        Locale.ROOT,
        "%s: %.2f ms in Java, %.2f with %s, %.2f %s: %.2f and %.2f times its rate%n",
        what,
        slow,
        fast,
        TurboJpeg.name(),
        peer,
        version,
        peer / slow,
        peer / fast);
  }

  private static List<String> ours(String turbo, Path images, String decode) {
    return List.of(
        Submit.java(),
        "-Xmx2g",
        "-D" + TurboJpeg.PROPERTY + "=" + turbo,
        "-cp",
        System.getProperty("java.class.path"),
        PixelsBenchmark.class.getName(),
        "--prepare",
        images.toString(),
        decode);
  }

  /** The last line that a command prints; null where it fails. */
  private static String run(List<String> command) throws IOException, InterruptedException {
    List<String> pinned = new ArrayList<>(List.of("taskset", "-c", "0"));
    pinned.addAll(command);
    try {
      Process process =
          new ProcessBuilder(pinned).redirectError(ProcessBuilder.Redirect.DISCARD).start();
      String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return process.waitFor() == 0 ? out.strip().lines().reduce((a, b) -> b).orElse(null) : null;
    } catch (IOException e) {
      return null;
    }
  }

  private static double number(String answer) {
    if (answer == null) {
      throw new IllegalStateException("A process of ours failed: taskset must be there");
    }
    return Double.parseDouble(answer.split(" ", -1)[0]);
  }

  private static double median(List<Double> values) {
    return values.stream().sorted().toList().get(values.size() / 2);
  }

  /** Milliseconds a photo: the median of the rounds behind as many to warm up. */
  private static double prepared(Path images, String decode) throws Exception {
    List<byte[]> files = new ArrayList<>();
    for (Path file : jpegs(images)) {
      files.add(Files.readAllBytes(file));
    }
    Settings settings = Settings.defaults().with("image.decode", decode);
    ImageDecoder decoder = new ImageDecoder(settings.image());
    Preprocessing preprocessing = Preprocessing.from(settings.image());
    float[] planes = new float[preprocessing.values()];
    List<Double> times = new ArrayList<>();
    for (int round = 0; round < 2 * ROUNDS; round++) {
      long began = System.nanoTime();
      for (byte[] file : files) {
        decoder.decodePhoto(file, preprocessing, planes);
      }
      times.add((System.nanoTime() - began) / 1e6 / files.size());
    }
    return median(times.subList(ROUNDS, 2 * ROUNDS));
  }

  private static List<Path> jpegs(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> file.toString().endsWith(".jpg")).sorted().toList();
    }
  }

  /** Twelve photos, scaled up as a camera would have taken them. */
  private static Path large(Path images, Path folder) throws IOException {
    for (Path file : jpegs(images).subList(0, 12)) {
      BufferedImage small = ImageIO.read(file.toFile());
      BufferedImage image = new BufferedImage(4000, 3000, BufferedImage.TYPE_INT_RGB);
      Image scaled = small.getScaledInstance(4000, 3000, Image.SCALE_SMOOTH);
      image.getGraphics().drawImage(scaled, 0, 0, null);
      ImageIO.write(image, "jpg", new File(folder.toFile(), file.getFileName().toString()));
    }
    return folder;
  }

  /** The job's rate against that of threads that only read, decode and crop, in turns. */
  private static void feed(Path data) throws Exception {
    Path folder = Files.createTempDirectory("feed");
    Path copies = copies(data, folder.resolve("data"));
    Path backbone = folder.resolve("free.pt");
    try (OutputStream out = Files.newOutputStream(backbone)) {
      ScriptArchive.write(new ScriptProgram(FREE, new ScriptModule("Free")), out);
    }
    int threads = Runtime.getRuntime().availableProcessors();
    List<Double> shares = new ArrayList<>();
    try (SparkSession spark = Fixture.local("local[" + threads + "]")) {
      for (int turn = 0; turn <= TURNS; turn++) {
        Alone alone = alone(copies, threads);
        Settings settings =
            Settings.defaults()
                .with("model", backbone.toString())
                .with("data.path", copies.toString())
                .with("embeddings", folder.resolve("e" + turn).toString());
        long began = System.nanoTime();
        new ExtractJob(Fixture.squeeze(spark), settings).run();
        double whole = alone.photos() * 1e9 / (System.nanoTime() - began);
        double job = rate(folder.resolve("e" + turn + "/metrics/v1.json"));
        if (turn > 0) { // the first warms up
          shares.add(job / alone.rate());
        }
        System.out.printf(
            Locale.ROOT,
            "%s: decoding alone %.0f photos/s, extract %.0f (%.0f with its start and end), share"
                + " %.2f%n",
            turn == 0 ? "warm-up" : "turn " + turn,
            alone.rate(),
            job,
            whole,
            job / alone.rate());
      }
    }
    System.out.printf(Locale.ROOT, "share of the decoder's own rate: %.2f%n", median(shares));
  }

  /** Photos a second, as the extraction measured itself. */
  private static double rate(Path metrics) throws IOException {
    return new ObjectMapper().readTree(metrics.toFile()).get("images_per_second").asDouble();
  }

  /** What threads did that only prepare photos. */
  private record Alone(int photos, double rate) {}

  /** Threads that read, decode, label, crop and normalise photos with their masks. */
  private static Alone alone(Path data, int threads) throws Exception {
    List<Path> photos = jpegs(data.resolve("images"));
    Settings settings = Settings.defaults();
    ImageDecoder decoder = new ImageDecoder(settings.image());
    Preprocessing preprocessing = Preprocessing.from(settings.image());
    List<Thread> running = new ArrayList<>();
    long began = System.nanoTime();
    for (int t = 0; t < threads; t++) {
      int first = t;
      Thread thread =
          new Thread(
              () -> {
                float[] planes = new float[preprocessing.values()];
                for (int i = first; i < photos.size(); i += threads) {
                  prepare(data, photos.get(i), decoder, preprocessing, planes);
                }
              });
      thread.start();
      running.add(thread);
    }
    for (Thread thread : running) {
      thread.join();
    }
    return new Alone(photos.size(), photos.size() * 1e9 / (System.nanoTime() - began));
  }

  private static void prepare(
      Path data, Path photo, ImageDecoder decoder, Preprocessing preprocessing, float[] planes) {
    String mask = photo.getFileName().toString().replace(".jpg", ".png");
    try {
      decoder.decodePhoto(Files.readAllBytes(photo), preprocessing, planes);
      Path trimap = data.resolve("annotations/trimaps").resolve(mask);
      preprocessing.crop(PETS.labelled(decoder.decodeMask(Files.readAllBytes(trimap))));
    } catch (IOException | BadSampleException e) {
      throw new IllegalStateException(photo.toString(), e);
    }
  }

  /** The listed photos and masks, each under several names. */
  private static Path copies(Path data, Path target) throws IOException {
    Path trimaps = target.resolve("annotations/trimaps");
    Files.createDirectories(target.resolve("images"));
    Files.createDirectories(trimaps);
    for (String list : List.of("trainval.txt", "test.txt")) {
      List<String> lines = new ArrayList<>();
      for (String line : Files.readAllLines(data.resolve("annotations").resolve(list))) {
        String[] words = line.split(" ", -1);
        String name = words[0];
        for (int copy = 0; copy < COPIES; copy++) {
          String other = name.replaceFirst("_(\\d+)$", "_" + copy + "0000$1");
          Files.copy(
              data.resolve("images").resolve(name + ".jpg"),
              target.resolve("images").resolve(other + ".jpg"));
          Files.copy(
              data.resolve("annotations/trimaps").resolve(name + ".png"),
              trimaps.resolve(other + ".png"));
          lines.add(other + " " + String.join(" ", Arrays.asList(words).subList(1, words.length)));
        }
      }
      Files.write(target.resolve("annotations").resolve(list), lines);
    }
    return target;
  }
}
