package io.squeeze.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.config.SqueezeException;
import io.squeeze.storage.Storage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints of other programs: read exactly, or refused by name. */
class StateDictTest {
  private static final Path GOLDENS = Path.of("src/test/resources/goldens/checkpoints");

  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"zip.pth", "legacy.pth", "nested.pth", "plain.safetensors"})
  void everyContainerIsReadExactly(String name) throws IOException {
    JsonNode expected = new ObjectMapper().readTree(GOLDENS.resolve("expected.json").toFile());
    try (StateDict dict = StateDict.open(Storage.local(), GOLDENS.resolve(name).toString())) {
      assertThat(dict.tensors().keySet())
          .containsExactlyInAnyOrderElementsOf(() -> expected.fieldNames());
      for (Map.Entry<String, TensorSource> entry : dict.tensors().entrySet()) {
        JsonNode golden = expected.get(entry.getKey());
        HostTensor tensor = HostTensor.of(entry.getValue());
        assertThat(dtype(tensor.type())).isEqualTo(golden.get("dtype").asText());
        List<Long> shape = new ArrayList<>();
        golden.get("shape").forEach(n -> shape.add(n.asLong()));
        assertThat(tensor.shape()).as(entry.getKey()).containsExactly(shape.toArray(Long[]::new));
        List<Double> values = new ArrayList<>();
        golden
            .get("values")
            .forEach(n -> values.add(n.isBoolean() ? (n.asBoolean() ? 1.0 : 0.0) : n.asDouble()));
        assertThat(numbers(tensor)).as(entry.getKey()).isEqualTo(values);
      }
    }
  }

  private static String dtype(ElementType type) {
    return switch (type) {
      case F64 -> "float64";
      case F32 -> "float32";
      case F16 -> "float16";
      case BF16 -> "bfloat16";
      case I64 -> "int64";
      case U8 -> "uint8";
      case BOOL -> "bool";
      default -> type.name();
    };
  }

  private static List<Double> numbers(HostTensor tensor) {
    List<Double> numbers = new ArrayList<>();
    ByteBuffer bytes = tensor.buffer().order(ByteOrder.LITTLE_ENDIAN);
    while (bytes.hasRemaining()) {
      numbers.add(
          switch (tensor.type()) {
            case I64 -> (double) bytes.getLong();
            case F64 -> bytes.getDouble();
            case U8, BOOL -> (double) (bytes.get() & 0xFF);
            default -> {
              int at = bytes.position() / tensor.type().bytes();
              bytes.position(bytes.position() + tensor.type().bytes());
              yield (double) tensor.floats()[at];
            }
          });
    }
    return numbers;
  }

  @Test
  void aParameterIsItsTensor() throws IOException {
    Path file = GOLDENS.resolve("parameter.pth");
    try (StateDict dict = StateDict.open(Storage.local(), file.toString())) {
      assertThat(HostTensor.of(dict.tensors().get("w")).shape()).containsExactly(4, 6);
    }
  }

  @Test
  void smallFloatsRoundAsIeeeAsks() {
    for (int bits = 0; bits < 65536; bits++) {
      float half = SmallFloats.fromHalf((short) bits);
      float brain = SmallFloats.fromBfloat16((short) bits);
      if (!Float.isNaN(half)) {
        assertThat(SmallFloats.toHalf(half)).isEqualTo((short) bits);
      }
      if (!Float.isNaN(brain)) {
        assertThat(SmallFloats.toBfloat16(brain)).isEqualTo((short) bits);
      }
    }
    assertThat(SmallFloats.toHalf(65519.996f)).isEqualTo((short) 0x7BFF);
    assertThat(SmallFloats.toHalf(65520f)).isEqualTo((short) 0x7C00);
    assertThat(SmallFloats.toHalf(1 + 0x1p-11f)).isEqualTo((short) 0x3C00); // tie to even
    assertThat(SmallFloats.toHalf(1 + 3 * 0x1p-11f)).isEqualTo((short) 0x3C02);
    assertThat(SmallFloats.toBfloat16(1 + 0x1p-8f)).isEqualTo((short) 0x3F80);
  }

  /** A pickle in a zip of torch.save's form, with one storage of 24 floats. */
  private Path archive(byte[] pickle) throws IOException {
    Path file = folder.resolve("hostile.pth");
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
      TorchSave.store(zip, "archive/data.pkl", pickle);
      TorchSave.store(zip, "archive/data/0", new byte[96]);
    }
    return file;
  }

  private void refused(Path file, String reason) {
    assertThatThrownBy(() -> StateDict.open(Storage.local(), file.toString()))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining(reason);
  }

  @Test
  void picklesThatWouldRunCodeAreRefusedByName() throws IOException {
    TorchSave start = new TorchSave().op(0x80, 2);
    byte[] head = start.bytes();
    Map<String, TorchSave> hostile =
        Map.ofEntries(
            Map.entry(
                "os.system", new TorchSave().global("os", "system").text("id").op(0x85, 'R', '.')),
            Map.entry(
                "builtins.eval",
                new TorchSave().text("builtins").text("eval").op(0x93).text("1").op(0x85, 'R')),
            Map.entry(
                "torch._utils.os.system", new TorchSave().global("torch._utils", "os.system")),
            Map.entry(
                "torch.storage._load_from_bytes",
                new TorchSave().global("torch.storage", "_load_from_bytes")),
            Map.entry("INST", new TorchSave().op('(').text("id").raw(bytes("ios\nsystem\n"))),
            Map.entry("EXT", new TorchSave().op(0x82, 1)),
            Map.entry("NEWOBJ", new TorchSave().global("torch", "Size").op(')', 0x81)),
            Map.entry("OBJ", new TorchSave().op('(').global("torch", "Size").op('o')),
            Map.entry("PERSID", new TorchSave().raw(bytes("P0\n"))),
            Map.entry(
                "BUILD", new TorchSave().global("torch", "device").op(')', 'R', '}', 'b', '.')),
            // Calls the argument of a call: universal indirection.
            Map.entry("calls what is no name", new TorchSave().op(']', ')', 'R')),
            Map.entry(
                "no function of the list",
                new TorchSave().global("torch", "FloatStorage").op(')', 'R')),
            // A memo index that MEMOIZE took is overwritten by BINPUT, then called.
            Map.entry(
                "posix.system",
                new TorchSave().text("x").op(0x94, '0').global("posix", "system").op('q', 0)),
            Map.entry("never kept", new TorchSave().op('h', 7)),
            Map.entry("a name is no text", new TorchSave().op(']', ']', 'a', ']', 0x93)),
            Map.entry("stack is empty", new TorchSave().op('0')),
            Map.entry("no mark", new TorchSave().op('t')),
            Map.entry("neither text nor a number", new TorchSave().op('}', ']', ']', 's')),
            Map.entry("ends early", new TorchSave().op('X').number(0x7FFFFFFF, 4)));
    for (Map.Entry<String, TorchSave> entry : hostile.entrySet()) {
      byte[] pickle = new TorchSave().raw(head).raw(entry.getValue().bytes()).bytes();
      refused(archive(pickle), entry.getKey());
      // The same behind the magic number of the old format.
      Path legacy = folder.resolve("legacy.pth");
      Files.write(legacy, new TorchSave().raw(magic()).raw(pickle).bytes());
      refused(legacy, entry.getKey());
    }
    refused(archive(new TorchSave().op(0x80, 0, '.').bytes()), "protocol 0");
    refused(archive(new TorchSave().op(0x80, 2, 'N', '.').bytes()), "no state dict");
    // A nested pickle is text, and text is not read.
    refused(
        archive(new TorchSave().raw(head).text("cos\nsystem\n(S'id'\ntR.").op('.').bytes()),
        "no state dict");
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] magic() {
    return new TorchSave()
        .op(0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.')
        .op(0x80, 2, 'M', 0xe9, 0x03, '.')
        .op(0x80, 2, '}', '.')
        .bytes();
  }

  @Test
  void hugePicklesEndAtTheirLimitWithAFlatHeap() throws IOException {
    byte[] marks = new byte[17 << 20];
    Arrays.fill(marks, (byte) ']');
    refused(archive(marks), "more than 2000000 operations");
    byte[] text = new TorchSave().op('X').number(16 << 20, 4).raw(new byte[16 << 20]).bytes();
    refused(archive(text), "larger than 16777216 bytes");
  }

  @Test
  void tensorsThatLieAboutTheirStorageAreRefusedBeforeAllocation() throws IOException {
    long huge = 1L << 40;
    lie(24, 0, new long[] {huge}, new long[] {1}, "does not fit its storage");
    lie(24, 0, new long[] {huge}, new long[] {0}, "does not fit its storage");
    lie(24, 0, new long[] {huge, huge}, new long[] {1, 1}, "overflows");
    lie(24, 0, new long[] {2}, new long[] {Long.MAX_VALUE}, "does not fit its storage");
    lie(24, 0, new long[] {3}, new long[] {-1}, "negative");
    lie(24, 0, new long[] {-3}, new long[] {1}, "negative");
    lie(24, 20, new long[] {5}, new long[] {1}, "does not fit its storage");
    lie(24, Long.MAX_VALUE, new long[] {5}, new long[] {1}, "overflows");
    lie(24, -1, new long[] {5}, new long[] {1}, "does not fit its storage");
    lie(24, 0, new long[] {5}, new long[] {1, 1}, "do not fit together");
    lie(25, 0, new long[] {5}, new long[] {1}, "should have 25 elements of F32, found 96 bytes");
    lie(huge, 0, new long[] {5}, new long[] {1}, "should have 1099511627776 elements");
    lie(-1, 0, new long[] {5}, new long[] {1}, "is no storage");
  }

  private void lie(long elements, long offset, long[] shape, long[] strides, String reason)
      throws IOException {
    TorchSave pickle =
        TorchSave.dict().tensor("w", "FloatStorage", "0", elements, offset, shape, strides);
    refused(archive(pickle.op('u', '.').bytes()), reason);
  }

  @Test
  void hostileArchivesAreRefused() throws IOException {
    Path file = folder.resolve("archive.pth");
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
      TorchSave.store(zip, "archive/../../etc/passwd", new byte[4]);
    }
    refused(file, "unsafe name \"archive/../../etc/passwd\"");
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
      zip.putNextEntry(new java.util.zip.ZipEntry("archive/data.pkl"));
      zip.write(new byte[1 << 20]);
    }
    refused(file, "compressed or encrypted");
    byte[] good = Files.readAllBytes(GOLDENS.resolve("zip.pth"));
    Files.write(file, Arrays.copyOf(good, good.length - 30));
    refused(file, "no directory of entries");
    int end = good.length - 22;
    change(file, good, end + 10, 0xFFFE, 2, "its directory lies outside of it");
    change(file, good, end + 12, 0x7FFFFFFF, 4, "at most 100000 in 33554432");
    change(file, good, end + 16, 0x7FFFFFFF, 4, "its directory lies outside of it");
    int directory = ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getInt(end + 16);
    change(file, good, directory + 42, 0x7FFFFFFF, 4, "lies outside of the file");
    change(file, good, directory, 7, 4, "its directory is cut off");
    Files.write(file, new byte[] {'P', 'K'});
    refused(file, "no checkpoint");
    Files.writeString(file, "<html>Moved permanently</html>");
    refused(file, "neither a file of torch.save nor safetensors");
    assertThatThrownBy(() -> StateDict.open(Storage.local(), folder + "/none.pth"))
        .hasMessageContaining("No weights at " + folder + "/none.pth (--weights)");
  }

  private void change(Path file, byte[] good, int at, long value, int bytes, String reason)
      throws IOException {
    byte[] changed = good.clone();
    byte[] number = new TorchSave().number(value, bytes).bytes();
    System.arraycopy(number, 0, changed, at, bytes);
    Files.write(file, changed);
    refused(file, reason);
  }

  @Test
  void anyFlippedByteOrCutEndsInOneOfOurErrorsOrInTensors() throws IOException {
    Random random = new Random(7);
    for (String name : List.of("zip.pth", "legacy.pth", "plain.safetensors")) {
      byte[] good = Files.readAllBytes(GOLDENS.resolve(name));
      Path file = folder.resolve("mutant");
      for (int i = 0; i < 1500; i++) {
        byte[] mutant =
            i % 3 == 0 ? Arrays.copyOf(good, random.nextInt(good.length)) : good.clone();
        for (int flips = 0; flips < i % 3 && mutant.length > 0; flips++) {
          mutant[random.nextInt(mutant.length)] ^= (byte) (1 << random.nextInt(8));
        }
        Files.write(file, mutant);
        try (StateDict dict = StateDict.open(Storage.local(), file.toString())) {
          for (TensorSource tensor : dict.tensors().values()) {
            tensor.writeTo(new ByteArrayOutputStream());
          }
        } catch (SqueezeException e) {
          assertThat(e.category()).isEqualTo(SqueezeException.Category.INPUT);
        }
      }
    }
  }
}
