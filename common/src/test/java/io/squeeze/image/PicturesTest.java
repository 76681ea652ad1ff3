package io.squeeze.image;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.config.ImageSettings;
import io.squeeze.config.Settings;
import io.squeeze.golden.Golden;
import io.squeeze.image.BadSampleException.Code;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Pictures of every kind against Pillow's pixels; {@code python/pictures.py} makes them. */
class PicturesTest {
  private static final Golden PICTURES = new Golden("pictures");

  /** What Pillow reads and this decoder refuses on purpose, by name. */
  private static final Map<String, Code> REFUSED =
      Map.ofEntries(
          Map.entry("jpeg_arithmetic", Code.UNSUPPORTED),
          Map.entry("jpeg_arithmetic_progressive", Code.UNSUPPORTED),
          // libjpeg makes up what the missing scans would have held.
          Map.entry("jpeg_progressive_444_scans_1_of_10", Code.TRUNCATED),
          Map.entry("jpeg_progressive_420_small_scans_2_of_10", Code.TRUNCATED),
          Map.entry("jpeg_progressive_420_small_scans_9_of_10", Code.TRUNCATED),
          Map.entry("jpeg_progressive_small_dc_only", Code.TRUNCATED),
          Map.entry("jpeg_progressive_bit_flipped_6", Code.TRUNCATED),
          Map.entry("tiff_grey_float", Code.UNSUPPORTED),
          Map.entry("tiff_grey_32_signed", Code.UNSUPPORTED));

  /** What Pillow refuses and this decoder reads. */
  private static final List<String> READ = List.of("tiff_bigtiff_mm");

  private final ImageDecoder decoder = new ImageDecoder(Settings.defaults().image());

  private static List<String> pictures() {
    return PICTURES.names().stream()
        .filter(name -> PICTURES.has(name + "_rgb") || PICTURES.has(name + "_reject"))
        .sorted()
        .toList();
  }

  @Test
  void everyPictureIsPillowsToTheBitOrRefusedAsThere() {
    List<String> others = new ArrayList<>();
    for (String name : pictures()) {
      boolean expected = PICTURES.has(name + "_rgb") && !REFUSED.containsKey(name);
      try {
        RgbImage image = decoder.decodeRgb(PICTURES.bytes(name));
        long[] shape = {image.height(), image.width(), 3};
        if (!READ.contains(name)
            && !(expected
                && Arrays.equals(shape, PICTURES.shape(name + "_rgb"))
                && Arrays.equals(image.data(), PICTURES.bytes(name + "_rgb")))) {
          others.add(name);
        }
      } catch (BadSampleException e) {
        if (expected || REFUSED.getOrDefault(name, e.code()) != e.code()) {
          others.add(name + ": " + e.getMessage());
        }
      }
    }
    assertThat(others).isEmpty();
    assertThat(pictures()).hasSize(295);
  }

  @Test
  void aMaskHasPillowsValuesOrIsRefused() {
    List<String> others = new ArrayList<>();
    for (String name : pictures()) {
      if (!PICTURES.has(name + "_mask") || REFUSED.containsKey(name)) {
        continue;
      }
      long[] expected = PICTURES.numbers(name + "_mask");
      boolean fits = Arrays.stream(expected).allMatch(value -> value >= 0 && value <= 255);
      try {
        byte[] labels = decoder.decodeMask(PICTURES.bytes(name)).data();
        long[] found = new long[labels.length];
        Arrays.setAll(found, i -> labels[i] & 0xFF);
        if (!fits || !Arrays.equals(found, expected)) {
          others.add(name);
        }
      } catch (BadSampleException e) {
        if (fits || e.code() != Code.UNSUPPORTED) {
          others.add(name + ": " + e.getMessage());
        }
      }
    }
    assertThat(others).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "other_avif, AVIF",
    "other_avif_mif1, AVIF",
    "other_heic, HEIC",
    "other_jxl_codestream, JPEG XL",
    "other_jxl_container, JPEG XL",
    "other_jpeg2000_container, JPEG 2000",
    "other_psd, PSD",
    "jpeg_arithmetic, arithmetic",
    "jpeg_precision_12_patched, 12 bits",
    "jpeg_sof_c3_patched, lossless"
  })
  void whatIsNotDecodedIsNamed(String picture, String name) {
    assertThat(reason(PICTURES.bytes(picture)))
        .satisfies(e -> assertThat(e.code()).isEqualTo(Code.UNSUPPORTED))
        .hasMessageContaining(name);
  }

  private BadSampleException reason(byte[] file) {
    try {
      decoder.decodeRgb(file);
    } catch (BadSampleException e) {
      return e;
    }
    throw new AssertionError("It was decoded");
  }

  @ParameterizedTest
  @CsvSource({"jpeg_exif_1_ii", "png_exif_3", "png_exif_6", "webp_exif_6"})
  void orientationIsAppliedWhereItIsAskedFor(String name) throws Exception {
    ImageSettings apply = Settings.defaults().with("image.exif-orientation", "apply").image();
    RgbImage stored = decoder.decodeRgb(PICTURES.bytes(name));
    RgbImage turned = new ImageDecoder(apply).decodeRgb(PICTURES.bytes(name));
    int last = stored.data().length - 3;
    int corner =
        switch (name.charAt(name.indexOf("exif_") + 5)) {
          case '3' -> last;
          case '6' -> (stored.height() - 1) * stored.width() * 3;
          default -> 0;
        };
    assertThat(Arrays.copyOf(turned.data(), 3))
        .isEqualTo(Arrays.copyOfRange(stored.data(), corner, corner + 3));
    assertThat(turned.width()).isEqualTo(name.endsWith("6") ? stored.height() : stored.width());
  }

  @Test
  void aMaskOfSeveralColoursIsToldTheWayOut() throws Exception {
    byte[] file = PICTURES.bytes("png_rgb_8");
    try {
      decoder.decodeMask(file);
      throw new AssertionError("It was decoded");
    } catch (BadSampleException e) {
      assertThat(e.code()).isEqualTo(Code.UNSUPPORTED);
      assertThat(e).hasMessageContaining("a mask has one value a pixel").hasMessageContaining("0");
    }
    assertThat(decoder.decodeMask(PICTURES.bytes("png_grey_16_to_255")).data()).isNotEmpty();
  }

  /** 50 mutations of each picture; with {@code -Dfuzz.files=20000} as many as that. */
  @Test
  void damagedFilesAreRowsOrRejectsAndNothingElse() {
    List<String> names = pictures();
    int files = Integer.getInteger("fuzz.files", 50 * names.size());
    Random random = new Random(7);
    int rows = 0;
    for (int i = 0; i < files; i++) {
      String name = names.get(i % names.size());
      byte[] damaged = damaged(PICTURES.bytes(name), random);
      try {
        rows += decoder.decodeRgb(damaged).data().length > 0 ? 1 : 0;
        decoder.decodeMask(damaged);
      } catch (BadSampleException e) {
        assertThat(e.getMessage()).as(name).isNotBlank().doesNotContain(ImageDecoder.UNFORESEEN);
      }
    }
    assertThat(rows).isBetween(files / 20, files);
  }

  private static byte[] damaged(byte[] whole, Random random) {
    byte[] file = Arrays.copyOf(whole, whole.length);
    for (int i = random.nextInt(4); i >= 0 && file.length > 0; i--) {
      int at = random.nextInt(file.length);
      switch (random.nextInt(5)) {
        case 0 -> file[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> file[at] = (byte) random.nextInt(256);
        case 2 -> file[at] = (byte) (random.nextBoolean() ? 0xFF : 0);
        case 3 -> file = Arrays.copyOf(file, at);
        default -> {
          int length = random.nextInt(Math.min(16, file.length - at) + 1);
          System.arraycopy(file, at, file, random.nextInt(file.length - length + 1), length);
        }
      }
    }
    return file;
  }
}
