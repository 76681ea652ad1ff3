package io.squeeze.jobs.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpServer;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Checkpoints, manifests, settings and summaries that somebody else wrote or changed. */
class ForeignFilesTest {
  private static final Path FIELD = Path.of("src/test/resources/field");
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int VARIANTS = Integer.getInteger("fuzz.files", 1000);

  @Test
  void aCheckpointIncludesNothingAndReadsNoEnvironment() throws Exception {
    AtomicInteger asked = new AtomicInteger();
    // The address that the checkpoint names.
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 9911), 0);
    server.createContext(
        "/",
        exchange -> {
          asked.incrementAndGet();
          exchange.close();
        });
    server.start();
    try {
      for (String name : List.of("ckpt_include_url.ckpt", "ckpt_env.ckpt")) {
        assertThatThrownBy(() -> Checkpoint.read(Storage.local(), FIELD.resolve(name).toString()))
            .isInstanceOf(SqueezeException.class)
            .hasMessageContaining("Cannot read the settings of the checkpoint ");
      }
    } finally {
      server.stop(0);
    }
    assertThat(asked).hasValue(0);
  }

  private static final String MANIFEST =
      """
      {"schemaVersion":2,"table":"codes","settings":{"input":"/t: v by id","image.size":"224"},
       "dtype":"float32","weights":null,"root":"/t","classes":["a","b"],"palette":[1,2],
       "columns":[{"name":"breed","type":"STRING"}],"stratum":"breed","splits":["all"],
       "rows":{"all":2},"rejected":0,"channels":4,"gridHeight":1,"gridWidth":2,"size":7,
       "photos":{"path":"p","id":"i","image":"b"},
       "coding":{"codec":"entropy","levels":[2,2],"frequencies":[[1,1],[3,4]]},
       "files":[{"path":"codes/split=all/part-0.parquet","bytes":9,"rows":2,"sha256":"cc"}]}
      """;

  @Test
  void aManifestThatSaysWhatCannotBeIsRefused() {
    assertThat(Manifest.parse(MANIFEST, "M").samples()).isEqualTo(2);
    for (String[] change :
        new String[][] {
          {"\"gridHeight\":1", "\"gridHeight\":0", "is no length"},
          {"\"rows\":{\"all\":2}", "\"rows\":{\"all\":3}", "the files hold {all=2}"},
          {"\"codes/split=all", "\"../split=all", "which is not below the version"},
          {"\"dtype\":\"float32\"", "\"dtype\":\"int8\"", "dtype is int8"},
          {"\"palette\":[1,2]", "\"palette\":[1]", "classes and palette differ"},
          {"[[1,1],[3,4]]", "[[1,1]]", "coding.frequencies do not fit"},
          {"\"classes\":[\"a\",\"b\"],", "", "classes is missing"},
        }) {
      assertThatThrownBy(() -> Manifest.parse(MANIFEST.replace(change[0], change[1]), "M"))
          .as(change[1])
          .isInstanceOf(SqueezeException.class)
          .hasMessageStartingWith("Cannot use the manifest M: ")
          .hasMessageContaining(change[2]);
    }
  }

  @Test
  void changedFilesEndAsDocumented() throws Exception {
    Random random = new Random(5);
    String summary =
        "{\"samples\":2,\"miou\":0.5,\"class_iou\":{\"a\":1.0},\"pixel_accuracy\":1.0,"
            + "\"precision\":1,\"recall\":1,\"f1\":1,\"bits_per_vector\":9.0,"
            + "\"compression\":{\"nominal\":1.0},\"codebook\":{\"size\":3,\"levels\":[]}}";
    fuzz(MANIFEST, random, text -> Manifest.parse(text, "M"));
    fuzz(summary, random, text -> Summary.parse(text, "S"));
    fuzz(Settings.defaults().trainingJson(), random, text -> Settings.parse(text, "config.json"));
  }

  private static void fuzz(String text, Random random, Consumer<String> read) throws Exception {
    int taken = 0;
    for (int i = 0; i < VARIANTS; i++) {
      String changed =
          i % 4 == 0 ? damaged(text, random) : varied(JSON.readTree(text), random).toString();
      try {
        read.accept(changed);
        taken++;
      } catch (SqueezeException e) {
        assertThat(e.getMessage()).isNotBlank();
      } catch (RuntimeException e) {
        throw new AssertionError("Neither read nor refused: " + changed, e);
      }
    }
    assertThat(taken).isLessThan(VARIANTS);
  }

  private static String damaged(String text, Random random) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < 3; i++) {
      bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
    }
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** Another type or value in one place, or a field less. */
  private static JsonNode varied(JsonNode tree, Random random) {
    List<Runnable> changes = new ArrayList<>();
    collect(tree, random, changes);
    changes.get(random.nextInt(changes.size())).run();
    return tree;
  }

  private static void collect(JsonNode node, Random random, List<Runnable> changes) {
    if (node instanceof ObjectNode object) {
      object
          .fieldNames()
          .forEachRemaining(
              name -> {
                changes.add(() -> object.set(name, other(random)));
                changes.add(() -> object.remove(name));
                collect(object.get(name), random, changes);
              });
    } else if (node instanceof ArrayNode array) {
      for (int i = 0; i < array.size(); i++) {
        int at = i;
        changes.add(() -> array.set(at, other(random)));
        collect(array.get(i), random, changes);
      }
    }
  }

  private static JsonNode other(Random random) {
    List<Object> values = new ArrayList<>();
    values.addAll(List.of(-1, 0, 1L << 40, 1e300, "", "x", "../..", true, List.of(), List.of(1)));
    values.add(java.util.Map.of("a", 1));
    values.add(null);
    return JSON.valueToTree(values.get(random.nextInt(values.size())));
  }

  @Test
  void aChangedHeaderOfACheckpointEndsAsDocumented() throws Exception {
    byte[] whole = Files.readAllBytes(FIELD.resolve("ckpt_env.ckpt"));
    Path file = Files.createTempFile("changed", ".ckpt");
    Random random = new Random(6);
    int header =
        (int) java.nio.ByteBuffer.wrap(whole).order(java.nio.ByteOrder.LITTLE_ENDIAN).getLong();
    for (int i = 0; i < VARIANTS / 4; i++) {
      byte[] changed = whole.clone();
      changed[8 + random.nextInt(header)] = (byte) random.nextInt(256);
      Files.write(file, changed);
      assertThatThrownBy(() -> Checkpoint.read(Storage.local(), file.toString()))
          .isInstanceOf(SqueezeException.class);
    }
    Files.delete(file);
  }
}
