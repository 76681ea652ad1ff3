package io.squeeze.jobs.model;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.squeeze.backbone.Architecture;
import io.squeeze.config.Hocon;
import io.squeeze.config.Plugins;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.BackboneOrigin;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.PhotoPreparation;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.storage.HadoopStorage;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * How the photos of a training became features: the settings of backbone and crop that read new
 * photos in the same way. A checkpoint does not hold them, since training reads features alone.
 */
public final class RunPhotos {
  private static final String RANDOM = "random ";

  private RunPhotos() {}

  /**
   * The settings, from the embeddings that a run was trained on, or from its {@code config.json};
   * empty where neither is there any more.
   *
   * @param checkpoint path of a checkpoint in the folder of the run
   */
  public static Config settings(HadoopStorage storage, String checkpoint) throws IOException {
    Optional<Settings> run = RunFolder.of(storage, checkpoint).settings();
    if (run.isEmpty()) {
      return ConfigFactory.empty();
    }
    try {
      return of(Versions.embeddings(storage, run.get().embeddingsPath()).manifest());
    } catch (SqueezeException e) {
      return own(run.get());
    }
  }

  private static Config of(Manifest manifest) {
    BackboneOrigin origin = manifest.backbone();
    PhotoPreparation photos = manifest.preparation();
    Map<String, Object> values = new TreeMap<>();
    values.put("backbone.precision", origin.precision());
    values.put("backbone.layout", origin.layout());
    values.put("backbone.prefix-tokens", origin.prefixTokens());
    values.put("extract.embedding-dtype", manifest.dtype());
    values.put("image.size", photos.size());
    values.put("image.resize", photos.resize());
    values.put("image.crop", photos.crop());
    values.put("image.decode", photos.decode());
    values.put("image.exif-orientation", photos.exifOrientation());
    boolean packed =
        Plugins.find(Architecture.class, Architecture::name, origin.name()).isPresent();
    if (packed) {
      values.put("model", origin.name());
      if (origin.weights().startsWith(RANDOM)) {
        values.put("seed", origin.weights().substring(RANDOM.length()));
      } else if (manifest.weights() != null) {
        values.put("weights", manifest.weights());
      }
    } else if (manifest.weights() != null) {
      values.put("model", manifest.weights());
    }
    return Hocon.text("image { mean = %s, std = %s }".formatted(photos.mean(), photos.std()))
        .withFallback(ConfigFactory.parseMap(values));
  }

  /** What a run says itself, which is right if it extracted its embeddings. */
  private static Config own(Settings run) {
    Config all = Hocon.text(run.json());
    Config own = ConfigFactory.empty();
    for (String path : new String[] {"model", "weights", "backbone", "image"}) {
      if (all.hasPath(path)) {
        own = own.withValue(path, all.getValue(path));
      }
    }
    return own;
  }
}
