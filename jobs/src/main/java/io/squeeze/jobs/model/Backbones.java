package io.squeeze.jobs.model;

import ai.djl.Device;
import io.squeeze.backbone.Architecture;
import io.squeeze.backbone.Backbone;
import io.squeeze.backbone.BackboneFile;
import io.squeeze.backbone.BackboneFile.Output;
import io.squeeze.backbone.Packing;
import io.squeeze.backbone.Precision;
import io.squeeze.backbone.TorchScriptBackbone;
import io.squeeze.config.BackboneSettings.Layout;
import io.squeeze.config.ExtractSettings.Pool;
import io.squeeze.config.ImageSettings;
import io.squeeze.config.Plugins;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.Preprocessing;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.spark.DriverFile;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.weights.ElementType;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.sql.SparkSession;

/** Finds the backbone that a user named, and brings it to the driver and to every executor. */
public final class Backbones {
  /** The files that torchvision publishes, and how their SHA-256 begins. */
  private static final Map<String, String> OFFICIAL =
      Map.of(
          "vit_b_32-d86f8d99.pth", "d86f8d99",
          "deeplabv3_resnet50_coco-cd0a2569.pth", "cd0a2569");

  private final HadoopStorage storage;
  private final Reporter reporter;
  private final Settings settings;
  private final Optional<Architecture> architecture;

  /**
   * Looks for the backbone of the settings.
   *
   * @throws SqueezeException of category configuration if there is none, or it cannot be as asked
   */
  public Backbones(HadoopStorage storage, Settings settings, Reporter reporter) {
    this.storage = storage;
    this.reporter = reporter;
    this.architecture = Plugins.find(Architecture.class, Architecture::name, settings.model());
    this.settings = architecture.isPresent() ? settings : described(settings);
    check();
  }

  /**
   * A backbone that any task can load.
   *
   * @param local its path, if driver and tasks are one process; else null
   * @param served the file for executors; null in one process
   * @param weights the source of the weights: a checkpoint's SHA-256, or the seed of random ones;
   *     empty for a TorchScript file, which holds its weights
   * @param sha256 names the backbone in manifests: that of the program that gives the grid alone
   */
  public record Shipped(
      BackboneFile file, String local, DriverFile served, String weights, String sha256)
      implements Serializable {

    /** The file on this machine. */
    public Path path() {
      try {
        return local != null ? Path.of(local) : served.local();
      } catch (IOException e) {
        throw SqueezeException.resource(
            "Cannot fetch the backbone %s from the driver: %s"
                .formatted(file.name(), e.getMessage()),
            e);
      }
    }

    /** The one copy of this JVM on the device. */
    public Backbone load(Device device) {
      return TorchScriptBackbone.shared(file, path(), device);
    }
  }

  /** The settings over what stands in FILE.json beside a TorchScript FILE. */
  public Settings settings() {
    return settings;
  }

  /** The file that holds the weights, with its full path; null where they are drawn. */
  public String weightsPath() {
    String path = architecture.isEmpty() ? settings.model() : settings.weights();
    try {
      return path == null ? null : storage.qualified(path);
    } catch (IOException e) {
      throw SqueezeException.input("Cannot read " + path + ": " + e.getMessage(), e);
    }
  }

  /** How features are stored. */
  public ElementType embeddingType() {
    return switch (settings.extract().embeddingDtype()) {
      case "float16" -> ElementType.F16;
      case "float32" -> ElementType.F32;
      default -> architecture.map(Architecture::embeddingType).orElse(ElementType.F32);
    };
  }

  private Settings described(Settings given) {
    String path = given.model().replaceAll("\\.[^./]*$", "") + ".json";
    try {
      return storage.exists(path) ? given.over(storage.text(path), path) : given;
    } catch (IOException e) {
      throw SqueezeException.input("Cannot read " + path + ": " + e.getMessage(), e);
    }
  }

  private void check() {
    settings.image().checkWindows();
    boolean prefixed =
        settings.backbone().layout() == Layout.TOKENS && settings.backbone().prefixTokens() > 0;
    if (architecture.isEmpty() && settings.extract().pool() == Pool.CLS && !prefixed) {
      throw SqueezeException.configuration(
          ("--pool cls takes the first token of a backbone that gives tokens, but %s gives %s: set"
                  + " --layout tokens and --prefix_tokens if it has a class token, else --pool mean")
              .formatted(
                  settings.model(),
                  settings.backbone().layout().shape(settings.backbone().prefixTokens())));
    }
    if (architecture.isPresent()) {
      int side = architecture.get().imageSize();
      ImageSettings image = settings.image();
      if (side != 0 && image.seen() != side) {
        throw SqueezeException.configuration(
            "%s reads squares of %d pixels, image.%s is %d: %s"
                .formatted(
                    settings.model(),
                    side,
                    image.windows() == null ? "size" : "windows",
                    image.seen(),
                    image.size() < side
                        ? "set image.size (--image_size) to " + side
                        : "for larger photos set image.windows (--windows) to " + side));
      }
      return;
    }
    if (settings.weights() != null || !settings.backbone().precision().equals("fp32")) {
      throw SqueezeException.configuration(
          ("--weights and --precision are for %s: the TorchScript file %s has its weights "
                  + "and computes as it was exported")
              .formatted(Plugins.names(Architecture.class, Architecture::name), settings.model()));
    }
  }

  /** Packs the weights where that is not done yet, and sends the program to the executors. */
  public Shipped ship(SparkSession spark) {
    try {
      String weights = architecture.isEmpty() ? "" : weights();
      Path path = architecture.isEmpty() ? script() : packed(architecture.get(), weights);
      String digest = BackboneFile.digest(path);
      Output output = new Output(settings.backbone().layout(), settings.backbone().prefixTokens());
      if (settings.extract().pool() == Pool.CLS && architecture.isPresent()) {
        path = packed(withTokens(), weights);
        output = new Output(Layout.TOKENS, 1);
      }
      Precision precision = Precision.named(settings.backbone().precision());
      Preprocessing preprocessing = Preprocessing.from(settings.image());
      BackboneFile file =
          BackboneFile.of(settings.modelName(), path, preprocessing, precision, output)
              .over(settings.image().windows());
      if (spark.sparkContext().isLocal()) {
        return new Shipped(file, path.toAbsolutePath().toString(), null, weights, digest);
      }
      DriverFile served = DriverFile.serve(path, file.digest() + ".pt");
      return new Shipped(file, null, served, weights, digest);
    } catch (IOException e) {
      throw SqueezeException.input(
          "Cannot read the backbone " + settings.model() + ": " + e.getMessage(), e);
    }
  }

  private Architecture withTokens() {
    return architecture
        .flatMap(Architecture::withTokens)
        .orElseThrow(
            () ->
                SqueezeException.configuration(
                    "%s has no class token: set --pool to mean".formatted(settings.model())));
  }

  private Path script() throws IOException {
    String model = settings.model();
    if (!storage.exists(model)) {
      throw SqueezeException.configuration(
          ("No backbone at %s: set --model to %s, to a TorchScript file, or to the class "
                  + "of an Architecture")
              .formatted(model, Plugins.names(Architecture.class, Architecture::name)));
    }
    Optional<Path> local = storage.local(model);
    return local.isPresent() ? local.get() : download(model);
  }

  private String weights() throws IOException {
    String path = settings.weights();
    if (path == null) {
      reporter.warn(
          ("%s has random weights (seed %s): bytes and speed are real, the IoU means "
                  + "nothing; --weights takes the official file (submit/fetch-weights)")
              .formatted(settings.model(), settings.seed()));
      return "random " + settings.seed();
    }
    if (!storage.exists(path)) {
      throw SqueezeException.configuration(
          "No weights at " + path + " (--weights): submit/fetch-weights gets the official files");
    }
    return digest(storage, path);
  }

  /**
   * SHA-256 of a checkpoint of weights.
   *
   * @throws SqueezeException of category input if it has an official file's name and not its
   *     content
   */
  public static String digest(HadoopStorage storage, String path) throws IOException {
    String digest;
    try (InputStream in = storage.open(path)) {
      digest = BackboneFile.digest(in);
    }
    String promised = OFFICIAL.get(path.substring(path.lastIndexOf('/') + 1));
    if (promised != null && !digest.startsWith(promised)) {
      throw SqueezeException.input(
          ("%s is not the official file of that name: its SHA-256 should begin with %s, "
                  + "found %s; get it again (submit/fetch-weights), or rename your own file")
              .formatted(path, promised, digest));
    }
    return digest;
  }

  private Path packed(Architecture network, String weights) throws IOException {
    Packing packing =
        new Packing(
            network,
            Precision.named(settings.backbone().precision()),
            cache(),
            settings.backbone().allowNonFinite());
    return settings.weights() == null
        ? packing.random(settings.seed())
        : packing.checkpoint(storage, settings.weights(), weights);
  }

  /** Copies a file of a distributed file system to this machine's cache. */
  private Path download(String path) throws IOException {
    Files.createDirectories(cache());
    Path part = Files.createTempFile(cache(), "backbone-", ".part");
    try (InputStream in = storage.open(path)) {
      Files.copy(in, part, StandardCopyOption.REPLACE_EXISTING);
    }
    Path file = cache().resolve("backbone-" + BackboneFile.digest(part) + ".pt");
    Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    return file;
  }

  /** {@code SQUEEZE_CACHE}, or a folder of the user's cache. */
  private static Path cache() {
    String set = System.getenv("SQUEEZE_CACHE");
    return set != null
        ? Path.of(set)
        : Path.of(System.getProperty("user.home"), ".cache", "embeddings-squeeze");
  }
}
