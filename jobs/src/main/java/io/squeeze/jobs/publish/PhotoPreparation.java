package io.squeeze.jobs.publish;

import io.squeeze.config.ImageSettings;
import io.squeeze.config.Settings;
import io.squeeze.image.SquareCrop;
import java.util.Map;

/**
 * How photos became what the backbone reads, as a manifest keeps it.
 *
 * @param size side of the square, in pixels
 * @param resize what the shorter side became before the crop, in pixels
 * @param crop center or squash
 * @param windows side of the windows that slid over it, in pixels, or none
 * @param stride from one window to the next, in pixels, or none
 * @param mean of each channel, as a list
 * @param std of each channel, as a list
 * @param colourProfiles ignored, or applied by version 0.1.0
 * @param decode full or scaled
 * @param exifOrientation ignore or apply
 * @param maxPixels of a photo
 * @param maxBytes of a file
 */
public record PhotoPreparation(
    int size,
    int resize,
    String crop,
    String windows,
    String stride,
    String mean,
    String std,
    String colourProfiles,
    String decode,
    String exifOrientation,
    long maxPixels,
    long maxBytes) {
  /** How the keys of these settings begin. */
  public static final String PREFIX = "image.";

  private static final String SIZE = PREFIX + "size";
  private static final String RESIZE = PREFIX + "resize";
  private static final String CROP = PREFIX + "crop";
  private static final String WINDOWS = PREFIX + "windows";
  private static final String STRIDE = PREFIX + "stride";
  private static final String MEAN = PREFIX + "mean";
  private static final String STD = PREFIX + "std";
  private static final String PROFILES = PREFIX + "colour-profiles";
  private static final String DECODE = PREFIX + "decode";
  private static final String ORIENTATION = PREFIX + "exif-orientation";
  private static final String MAX_PIXELS = PREFIX + "max-pixels";
  private static final String MAX_BYTES = PREFIX + "max-bytes";

  /** What stands for no windows. */
  private static final String NONE = "none";

  /** What version 0.1.0 did, whose manifests do not say so. */
  private static final Map<String, String> BEFORE =
      Map.of(
          PROFILES, "applied", DECODE, "full", ORIENTATION, "ignore", WINDOWS, NONE, STRIDE, NONE);

  /** As these settings ask for it. */
  public static PhotoPreparation of(ImageSettings image) {
    return new PhotoPreparation(
        image.size(),
        image.resize(),
        image.squash() ? "squash" : "center",
        image.windows() == null ? NONE : Integer.toString(image.windows().side()),
        image.windows() == null ? NONE : Integer.toString(image.windows().stride()),
        image.mean().toString(),
        image.std().toString(),
        "ignored",
        image.scaledDecoding() ? "scaled" : "full",
        image.applyOrientation() ? "apply" : "ignore",
        image.maxPixels(),
        image.maxBytes());
  }

  /** As the settings of a manifest say. */
  static PhotoPreparation of(Map<String, String> settings) {
    return new PhotoPreparation(
        Integer.parseInt(settings.get(SIZE)),
        Integer.parseInt(settings.get(RESIZE)),
        settings.get(CROP),
        settings.get(WINDOWS),
        settings.get(STRIDE),
        settings.get(MEAN),
        settings.get(STD),
        settings.get(PROFILES),
        settings.get(DECODE),
        settings.get(ORIENTATION),
        Long.parseLong(settings.get(MAX_PIXELS)),
        Long.parseLong(settings.get(MAX_BYTES)));
  }

  /** Adds to the settings of a manifest what those of version 0.1.0 leave out. */
  static void complete(Map<String, String> settings) {
    if (settings.containsKey(SIZE)) {
      BEFORE.forEach(settings::putIfAbsent);
    }
  }

  /** The settings of a manifest. */
  public Map<String, String> settings() {
    return Map.ofEntries(
        Map.entry(SIZE, Integer.toString(size)),
        Map.entry(RESIZE, Integer.toString(resize)),
        Map.entry(CROP, crop),
        Map.entry(WINDOWS, windows),
        Map.entry(STRIDE, stride),
        Map.entry(MEAN, mean),
        Map.entry(STD, std),
        Map.entry(PROFILES, colourProfiles),
        Map.entry(DECODE, decode),
        Map.entry(ORIENTATION, exifOrientation),
        Map.entry(MAX_PIXELS, Long.toString(maxPixels)),
        Map.entry(MAX_BYTES, Long.toString(maxBytes)));
  }

  /** Whether the backbone saw windows of the square. */
  public boolean windowed() {
    return !windows.equals(NONE);
  }

  /** The crop: a picture of a sample needs it, too. */
  public SquareCrop square() {
    return new SquareCrop(size, resize, crop.equals("squash"));
  }

  /** The settings that read a photo again as it was read. */
  public ImageSettings reading() {
    return Settings.defaults()
        .with(MAX_PIXELS, Long.toString(maxPixels))
        .with(MAX_BYTES, Long.toString(maxBytes))
        .with(ORIENTATION, exifOrientation)
        .image();
  }
}
