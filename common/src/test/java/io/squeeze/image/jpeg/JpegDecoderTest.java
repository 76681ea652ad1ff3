package io.squeeze.image.jpeg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.squeeze.config.Settings;
import io.squeeze.golden.Golden;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.image.ImageDecoder;
import io.squeeze.image.Region;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The decoder in Java, and libjpeg-turbo where it is installed. */
class JpegDecoderTest {
  private static final Golden PICTURES = new Golden("pictures");

  private static List<String> jpegs() {
    return PICTURES.names().stream()
        .filter(name -> name.startsWith("jpeg_") && PICTURES.has(name + "_rgb"))
        .sorted()
        .toList();
  }

  /** Rows of a region as one array; the rest is zero. */
  private static byte[] decoded(JpegDecoder jpeg, Region wanted, int denominator, boolean here)
      throws BadSampleException {
    int width = (jpeg.width() + denominator - 1) / denominator;
    int height = (jpeg.height() + denominator - 1) / denominator;
    byte[] out = new byte[width * height * 3];
    int from = 3 * wanted.left();
    int length = 3 * (wanted.right() - wanted.left());
    io.squeeze.image.PixelRows rows =
        (y, pixels, at) -> System.arraycopy(pixels, at + from, out, y * width * 3 + from, length);
    if (here) {
      jpeg.decodeHere(wanted, denominator, rows);
    } else {
      jpeg.decode(wanted, denominator, rows);
    }
    return out;
  }

  private static byte[] whole(byte[] file, int denominator, boolean here)
      throws BadSampleException {
    JpegDecoder jpeg = new JpegDecoder(file);
    int width = (jpeg.width() + denominator - 1) / denominator;
    int height = (jpeg.height() + denominator - 1) / denominator;
    return decoded(jpeg, Region.of(width, height), denominator, here);
  }

  @Test
  void javaAndLibjpegGiveTheSamePixelsOrTheSameReason() {
    List<String> others = new ArrayList<>();
    for (String name : jpegs()) {
      String here = digest(name, true);
      String there = digest(name, false);
      if (!here.equals(there)) {
        others.add(name + ": " + here + ", libjpeg-turbo: " + there);
      }
    }
    assertThat(others).isEmpty();
  }

  private static String digest(String name, boolean here) {
    try {
      return Integer.toString(Arrays.hashCode(whole(PICTURES.bytes(name), 1, here)));
    } catch (BadSampleException e) {
      return e.code() + " " + e.getMessage();
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void scaledDecodingIsPillowsDraftMode(boolean here) throws Exception {
    int seen = 0;
    for (String name : jpegs()) {
      for (int denominator : new int[] {2, 4, 8}) {
        String draft = name + "_draft" + denominator;
        if (PICTURES.has(draft)) {
          seen++;
          assertThat(whole(PICTURES.bytes(name), denominator, here))
              .as(draft)
              .isEqualTo(PICTURES.bytes(draft));
        }
      }
    }
    assertThat(seen).isEqualTo(51);
  }

  @Test
  void aRegionHasThePixelsOfTheWhole() throws Exception {
    Random random = new Random(3);
    for (String name : List.of("jpeg_420_baseline", "jpeg_440_progressive", "jpeg_411_baseline")) {
      for (int denominator : new int[] {1, 2, 8}) {
        byte[] all = whole(PICTURES.bytes(name), denominator, true);
        for (int i = 0; i < 20; i++) {
          JpegDecoder jpeg = new JpegDecoder(PICTURES.bytes(name));
          int width = (jpeg.width() + denominator - 1) / denominator;
          int height = (jpeg.height() + denominator - 1) / denominator;
          int left = random.nextInt(width);
          int top = random.nextInt(height);
          Region region =
              new Region(
                  left,
                  top,
                  left + 1 + random.nextInt(width - left),
                  top + 1 + random.nextInt(height - top));
          byte[] part = decoded(jpeg, region, denominator, true);
          for (int y = region.top(); y < region.bottom(); y++) {
            int from = (y * width + region.left()) * 3;
            int to = (y * width + region.right()) * 3;
            assertThat(Arrays.copyOfRange(part, from, to))
                .as("%s %s of %d", name, region, denominator)
                .isEqualTo(Arrays.copyOfRange(all, from, to));
          }
        }
      }
    }
  }

  @Test
  void libjpegTurboIsUsedWhereItIsInstalled() throws Exception {
    assumeTrue(TurboJpeg.found(), "libjpeg-turbo is not installed");
    byte[] file = PICTURES.bytes("jpeg_420_q90");
    JpegDecoder jpeg = new JpegDecoder(file);
    Region all = Region.of(jpeg.width(), jpeg.height());
    List<Integer> rows = new ArrayList<>();
    assertThat(TurboJpeg.decode(file, jpeg.width(), jpeg.height(), all, (y, p, at) -> rows.add(y)))
        .isTrue();
    assertThat(rows).hasSize(jpeg.height());
  }

  @Test
  void whatLibjpegWarnsOfIsDecodedWithTheWarning() throws Exception {
    for (String name : List.of("jpeg_stray_before_eoi", "jpeg_restart_removed")) {
      JpegDecoder jpeg = new JpegDecoder(PICTURES.bytes(name));
      decoded(jpeg, Region.of(jpeg.width(), jpeg.height()), 1, true);
      assertThat(jpeg.warning()).as(name).isNotBlank();
    }
    JpegDecoder clean = new JpegDecoder(PICTURES.bytes("jpeg_420_q90"));
    decoded(clean, Region.of(clean.width(), clean.height()), 1, true);
    assertThat(clean.warning()).isNull();
  }

  @Test
  void aFileOfThousandsOfScansIsRejectedAtOnce() throws Exception {
    byte[] file = PICTURES.bytes("jpeg_420_progressive");
    int end = file.length - 2;
    int scan = end - 1;
    while (file[scan] != (byte) 0xFF || file[scan + 1] != (byte) 0xDA) {
      scan--;
    }
    ByteArrayOutputStream many = new ByteArrayOutputStream();
    many.write(file, 0, end);
    for (int i = 0; i < 2_000_000; i++) {
      many.write(file, scan, end - scan);
    }
    many.write(file, end, 2);
    ImageDecoder decoder = new ImageDecoder(Settings.defaults().image());
    assertThatThrownBy(() -> decoder.decodeRgb(many.toByteArray()))
        .isInstanceOfSatisfying(
            BadSampleException.class, e -> assertThat(e.code()).isEqualTo(Code.TOO_LARGE))
        .hasMessageContaining("more scans");
  }
}
