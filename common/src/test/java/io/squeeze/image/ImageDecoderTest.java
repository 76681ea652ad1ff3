package io.squeeze.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.Settings;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.storage.Storage;
import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.zip.CRC32;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ImageDecoderTest {
  private final ImageDecoder decoder = new ImageDecoder(Settings.defaults().image());

  @ParameterizedTest
  @ValueSource(ints = {10, 50, 99})
  void aTruncatedJpegIsRejected(int percent) throws IOException {
    byte[] whole = encoded(photo(BufferedImage.TYPE_INT_RGB), "jpg");
    byte[] part = Arrays.copyOf(whole, whole.length * percent / 100);
    assertThatThrownBy(() -> decoder.decodeRgb(part))
        .isInstanceOfSatisfying(
            BadSampleException.class, e -> assertThat(e.code()).isIn(Code.TRUNCATED, Code.CORRUPT));
  }

  /** 89,478,485 x 1 pixels in 69 bytes would take 769 MB. */
  @Test
  void whatItsDataCannotHoldIsRejectedBeforeItIsAllocated() {
    byte[] file = Arrays.copyOf(pngHeader(89_478_485, 1), 69);
    ByteBuffer.wrap(file).position(33).putInt(12).put(new byte[] {'I', 'D', 'A', 'T'});
    assertRejected(file, Code.TOO_LARGE);
    byte[] less = Arrays.copyOf(pngHeader(16_000_000, 1), 69);
    ByteBuffer.wrap(less).position(33).putInt(12).put(new byte[] {'I', 'D', 'A', 'T'});
    assertRejected(less, Code.TRUNCATED);
  }

  @Test
  void contentDecidesNotTheName() {
    assertRejected("<html>no image</html>".getBytes(StandardCharsets.UTF_8), Code.NOT_AN_IMAGE);
    assertRejected(new byte[0], Code.NOT_AN_IMAGE);
  }

  @Test
  void aBombIsRejectedByItsHeader() {
    assertRejected(pngHeader(50_000, 50_000), Code.TOO_LARGE);
    byte[] gif = Arrays.copyOf("GIF89a".getBytes(StandardCharsets.US_ASCII), 35);
    System.arraycopy(
        new byte[] {-1, -1, -1, 127, 0, 0, 0, ',', 0, 0, 0, 0, -1, -1, -1, 127}, 0, gif, 6, 16);
    assertRejected(gif, Code.TOO_LARGE);
  }

  private static byte[] pngHeader(int width, int height) {
    ByteBuffer png = ByteBuffer.allocate(33);
    png.put(new byte[] {(byte) 0x89, 'P', 'N', 'G', 13, 10, 26, 10}).putInt(13);
    png.put(new byte[] {'I', 'H', 'D', 'R'}).putInt(width).putInt(height);
    png.put(new byte[] {8, 2, 0, 0, 0});
    CRC32 crc = new CRC32();
    crc.update(png.array(), 12, 17);
    return png.putInt((int) crc.getValue()).array();
  }

  @Test
  void greyIsRepeatedAndAlphaDropped() throws Exception {
    BufferedImage grey = new BufferedImage(2, 1, BufferedImage.TYPE_BYTE_GRAY);
    grey.getRaster().setSample(0, 0, 0, 100);
    grey.getRaster().setSample(1, 0, 0, 7);
    assertThat(decoder.decodeRgb(encoded(grey, "png")).data())
        .containsExactly(100, 100, 100, 7, 7, 7);
    BufferedImage clear = new BufferedImage(1, 1, BufferedImage.TYPE_INT_ARGB);
    clear.setRGB(0, 0, 0x20304050);
    assertThat(decoder.decodeRgb(encoded(clear, "png")).data()).containsExactly(0x30, 0x40, 0x50);
  }

  @Test
  void aPaletteIsLookedUpForAPhotoAndReadAsLabelsForAMask() throws Exception {
    byte[] levels = {0, 50, 100, (byte) 200};
    BufferedImage indexed =
        new BufferedImage(
            2,
            1,
            BufferedImage.TYPE_BYTE_INDEXED,
            new java.awt.image.IndexColorModel(8, 4, levels, levels, levels));
    indexed.getRaster().setSample(0, 0, 0, 1);
    indexed.getRaster().setSample(1, 0, 0, 3);
    byte[] gif = encoded(indexed, "png");
    assertThat(decoder.decodeRgb(gif).data())
        .containsExactly(50, 50, 50, (byte) 200, (byte) 200, (byte) 200);
    assertThat(decoder.decodeMask(gif).data()).containsExactly(1, 3);
  }

  @Test
  void aPictureTooLongToBeScaledIsRejected() {
    RgbImage line = new RgbImage(1, 700_000, new byte[2_100_000]);
    assertThatThrownBy(() -> Preprocessing.from(Settings.defaults().image()).crop(line))
        .hasMessageContaining("1x700000 pixels cannot be scaled to a shorter side of 224");
  }

  @Test
  void aFileIsReadOnceMoreBeforeItIsGivenUp(@TempDir Path folder) throws Exception {
    Path file = Files.write(folder.resolve("photo"), new byte[] {7});
    AtomicInteger reads = new AtomicInteger();
    Storage flaky =
        failing(path -> reads.incrementAndGet() == 1 ? new IOException("no datanode") : null);
    assertThat(decoder.read(flaky, file.toString())).containsExactly(7);
    Storage closed = failing(path -> new AccessDeniedException(path));
    assertThatThrownBy(() -> decoder.read(closed, file.toString()))
        .isInstanceOfSatisfying(
            BadSampleException.class, e -> assertThat(e.code()).isEqualTo(Code.IO));
  }

  /** The local disk, where opening a file may fail. */
  private static Storage failing(Function<String, IOException> failure) {
    return (Storage)
        Proxy.newProxyInstance(
            Storage.class.getClassLoader(),
            new Class<?>[] {Storage.class},
            (proxy, method, arguments) -> {
              IOException thrown = failure.apply((String) arguments[0]);
              if (thrown != null) {
                throw thrown;
              }
              return method.invoke(Storage.local(), arguments);
            });
  }

  @Test
  void filesAboveTheLimitOrMissingAreRejected(@TempDir Path folder) throws IOException {
    Path file = Files.write(folder.resolve("big.jpg"), new byte[2000]);
    var small = Settings.defaults().with("image.max-bytes", "1000").image();
    assertThatThrownBy(() -> new ImageDecoder(small).read(Storage.local(), file.toString()))
        .isInstanceOfSatisfying(
            BadSampleException.class, e -> assertThat(e.code()).isEqualTo(Code.TOO_LARGE));
    assertThatThrownBy(() -> decoder.read(Storage.local(), folder + "/none.jpg"))
        .isInstanceOfSatisfying(
            BadSampleException.class, e -> assertThat(e.code()).isEqualTo(Code.MISSING));
  }

  private void assertRejected(byte[] file, Code code) {
    assertThatThrownBy(() -> decoder.decodeRgb(file))
        .isInstanceOfSatisfying(
            BadSampleException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  private static BufferedImage photo(int type) {
    BufferedImage image = new BufferedImage(120, 90, type);
    for (int i = 0; i < 120 * 90; i++) {
      image.setRGB(i % 120, i / 120, new Color(i % 256, i * 7 % 256, i * 31 % 256).getRGB());
    }
    return image;
  }

  private static byte[] encoded(BufferedImage image, String format) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    assertThat(ImageIO.write(image, format, out)).isTrue();
    return out.toByteArray();
  }
}
