package io.squeeze.jobs.model;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import io.squeeze.backbone.Architecture;
import io.squeeze.config.Hocon;
import io.squeeze.config.Json;
import io.squeeze.config.Plugins;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.BackboneOrigin;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.PhotoPreparation;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.storage.HadoopStorage;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * How the photos of a training became features: the settings of backbone and crop that read new
 * photos in the same way. A checkpoint does not hold them, since training reads features alone.
 */
public final class RunPhotos {
  /** The file in the folder of a run. */
  private static final String NAME = "photos.json";

  /** A run without windows has none, whatever a configuration or a backbone's own file says. */
  private static final Config WHOLE = Hocon.text("image { windows = null, stride = null }");

  /** The settings that decide which part of a photo a vector stands for. */
  private static final List<String> SQUARE =
      Stream.of("size", "resize", "crop", "windows", "stride")
          .map(key -> PhotoPreparation.PREFIX + key)
          .toList();

  private static final String RANDOM = "random ";

  private RunPhotos() {}

  /**
   * Keeps the settings in the folder of a run.
   *
   * @param embeddings that the run is trained on
   */
  public static void keep(RunFolder run, HadoopStorage storage, Manifest embeddings)
      throws IOException {
    if (known(embeddings)) {
      storage.replace(run.path(NAME), json(of(embeddings)) + "\n");
    }
  }

  /**
   * The settings: as the run keeps them, or of the embeddings that it was trained on.
   *
   * @param checkpoint path of a checkpoint in the folder of the run, or of a past epoch
   * @throws SqueezeException of category configuration if neither is there
   */
  public static Config settings(HadoopStorage storage, String checkpoint) throws IOException {
    String path = checkpoint.replaceFirst("/checkpoints/([^/]+)$", "/$1");
    RunFolder run = RunFolder.of(storage, path);
    if (storage.exists(run.path(NAME))) {
      return Json.config(storage.text(run.path(NAME)), run.path(NAME)).withFallback(WHOLE);
    }
    Optional<Settings> began = run.settings();
    Optional<Published> embeddings =
        began.isEmpty()
            ? Optional.empty()
            : new Versions(storage, began.get().embeddingsPath()).current();
    return of(
        embeddings
            .orElseThrow(
                () ->
                    SqueezeException.configuration(
                        ("Nothing says any more how the photos of %s were read: there is no %s beside"
                                + " it, and its embeddings are gone; name the backbone and the image"
                                + " settings as for extract (--model, --weights, --image_size, …)")
                            .formatted(checkpoint, NAME)))
            .manifest());
  }

  /**
   * How the photos of embeddings became squares and windows in another way than those that a run
   * was trained on: a line for each setting; none where nothing is known.
   */
  static List<String> differences(HadoopStorage storage, String checkpoint, Manifest embeddings)
      throws IOException {
    RunFolder run = RunFolder.of(storage, checkpoint);
    if (!known(embeddings) || !storage.exists(run.path(NAME))) {
      return List.of();
    }
    return square(Settings.differences(json(settings(storage, checkpoint)), json(of(embeddings))));
  }

  /**
   * What somebody asks of the preparation of photos, although they were prepared in another way
   * when the embeddings were made: a line for each setting.
   */
  public static List<String> differences(Manifest embeddings, Settings asked) {
    if (!known(embeddings)) {
      return List.of();
    }
    Config given = Json.config(asked.given(), "settings");
    return square(Settings.differences(json(of(embeddings)), asked.given())).stream()
        .filter(line -> given.hasPath(key(line)))
        .toList();
  }

  private static List<String> square(List<String> differences) {
    return differences.stream().filter(line -> SQUARE.contains(key(line))).toList();
  }

  private static String key(String difference) {
    return difference.substring(0, difference.indexOf(':'));
  }

  /** Embeddings that a program of the user's own made do not say how. */
  private static boolean known(Manifest embeddings) {
    return embeddings.settings().containsKey(PhotoPreparation.PREFIX + "size");
  }

  private static String json(Config config) {
    return config.root().render(ConfigRenderOptions.concise().setFormatted(true));
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
    if (photos.windowed()) {
      values.put("image.windows", Integer.parseInt(photos.windows()));
      values.put("image.stride", Integer.parseInt(photos.stride()));
    }
    values.put("image.decode", photos.decode());
    values.put("image.exif-orientation", photos.exifOrientation());
    boolean packed =
        Plugins.find(Architecture.class, Architecture::name, origin.name()).isPresent();
    if (packed) {
      values.put("model", origin.name());
      if (origin.weights() != null && origin.weights().startsWith(RANDOM)) {
        values.put("seed", origin.weights().substring(RANDOM.length()));
      } else if (manifest.weights() != null) {
        values.put("weights", manifest.weights());
      }
    } else if (manifest.weights() != null) {
      values.put("model", manifest.weights());
    }
    // A manifest of version 0.1.0 does not say everything.
    values.values().removeIf(Objects::isNull);
    return Hocon.text("image { mean = %s, std = %s }".formatted(photos.mean(), photos.std()))
        .withFallback(ConfigFactory.parseMap(values))
        .withFallback(WHOLE);
  }
}
