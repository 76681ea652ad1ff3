package io.squeeze.jobs.spark;

import ai.djl.Device;
import io.squeeze.backbone.Backbone;
import io.squeeze.backbone.BackboneFile;
import io.squeeze.backbone.TorchScriptBackbone;
import io.squeeze.backbone.VitB32;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.Preprocessing;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;
import org.apache.spark.SparkFiles;
import org.apache.spark.sql.SparkSession;

/** Brings the backbone that a user named to the driver and to every executor. */
public final class Backbones {
  private Backbones() {}

  /**
   * A backbone that any task can load.
   *
   * @param local its path, where driver and tasks share a disk; else null, and it was sent along
   */
  public record Shipped(BackboneFile file, String local, String name) implements Serializable {

    /** The one copy of this JVM on the device. */
    public Backbone load(Device device) {
      Path path = Path.of(local != null ? local : SparkFiles.get(name));
      return TorchScriptBackbone.shared(file, path, device);
    }
  }

  /** Finds the backbone of the settings and sends it to the executors. */
  public static Shipped ship(SparkSession spark, HadoopStorage storage, Settings settings) {
    Path path = find(storage, settings);
    Preprocessing preprocessing = Preprocessing.from(settings.image());
    BackboneFile file = BackboneFile.of(settings.modelName(), path, preprocessing);
    String name = path.getFileName().toString();
    if (spark.sparkContext().isLocal()) {
      return new Shipped(file, path.toAbsolutePath().toString(), name);
    }
    spark.sparkContext().addFile(path.toAbsolutePath().toString());
    return new Shipped(file, null, name);
  }

  private static Path find(HadoopStorage storage, Settings settings) {
    String model = settings.model();
    try {
      if (model.equals("vit")) {
        return vit(settings);
      }
      if (!storage.exists(model)) {
        throw SqueezeException.configuration(
            "No backbone at " + model + ": set --model to vit or to a TorchScript file");
      }
      Optional<Path> local = storage.local(model);
      return local.isPresent() ? local.get() : download(storage, model);
    } catch (IOException e) {
      throw SqueezeException.input("Cannot read the backbone " + model + ": " + e.getMessage(), e);
    }
  }

  private static Path vit(Settings settings) throws IOException {
    if (settings.image().size() != 224) {
      throw SqueezeException.configuration(
          "ViT-B/32 reads squares of 224 pixels, image.size is " + settings.image().size());
    }
    if (settings.weights() != null) {
      throw SqueezeException.configuration(
          "--weights "
              + settings.weights()
              + ": checkpoints are not read yet; leave --weights unset"
              + " for random weights, or name a TorchScript file with --model");
    }
    Console.warn(
        "vit has random weights (seed "
            + settings.seed()
            + "): bytes and speed are real, the IoU"
            + " means nothing");
    return VitB32.random(settings.seed(), cache());
  }

  /** Copies a file of a distributed file system to this machine's cache. */
  private static Path download(HadoopStorage storage, String path) throws IOException {
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
