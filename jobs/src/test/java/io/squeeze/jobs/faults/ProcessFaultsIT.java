package io.squeeze.jobs.faults;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import io.squeeze.dataset.Shapes;
import io.squeeze.jobs.Command;
import io.squeeze.jobs.Outside;
import io.squeeze.jobs.Submit;
import io.squeeze.jobs.TinyBackbone;
import io.squeeze.torch.Torch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What happens to whole processes: signals, each other, strange surroundings. */
@Timeout(200)
@Tag("cluster")
class ProcessFaultsIT {
  @TempDir static Path folder;

  @BeforeAll
  static void photos() throws IOException {
    new Shapes(3).write(folder.resolve("shapes"), 24);
    TinyBackbone.write(folder.resolve("tiny.pt"), 1);
  }

  /** The words of an extraction, its paths in full. */
  private static List<String> words(String photos, String embeddings) {
    List<String> words = new ArrayList<>(List.of("extract", "--model", folder + "/tiny.pt"));
    words.addAll(List.of("--data_path", folder + "/" + photos));
    words.addAll(List.of("--embeddings", folder + "/" + embeddings));
    return words;
  }

  /** The same extraction as the first process's, in this JVM; what it says. */
  private static String extractHere(int code) {
    Command here = Command.run(words("shapes", "emb").toArray(String[]::new));
    assertThat(here.code()).as(here.err()).isEqualTo(code);
    return here.out() + here.err();
  }

  private static Process start(ProcessBuilder builder, String log) throws IOException {
    return builder.redirectErrorStream(true).redirectOutput(folder.resolve(log).toFile()).start();
  }

  private static String ended(Process process, int code, String log) throws Exception {
    assertThat(process.waitFor(100, TimeUnit.SECONDS)).isTrue();
    String said = Files.readString(folder.resolve(log));
    assertThat(process.exitValue()).as(said).isEqualTo(code);
    return said;
  }

  private static void await(Callable<Boolean> condition) throws Exception {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (!condition.call() && System.nanoTime() < until) {
      Thread.sleep(20);
    }
    assertThat(condition.call()).isTrue();
  }

  @Test
  void ofTwoRunsOnOnePathTheSecondIsToldAndTheFirstEndsCleanlyBySignal() throws Exception {
    Process first = start(Submit.squeeze(folder, words("shapes", "emb")), "first.log");
    Path lock = folder.resolve("emb/_lock");
    await(() -> Files.exists(lock) && Files.size(lock) > 0);
    assertThat(Outside.signal("STOP", first.toHandle())).isZero();
    String told = extractHere(3);
    assertThat(told)
        .contains("ERROR Another run writes to " + folder + "/emb", "\"pid\":" + first.pid());

    Outside.signal("TERM", first.toHandle());
    assertThat(Outside.signal("CONT", first.toHandle())).isZero();
    assertThat(ended(first, 143, "first.log")).doesNotContain("at io.squeeze");
    assertThat(extractHere(0)).contains("Embeddings: " + folder + "/emb/v1");
    try (Stream<Path> left = Files.list(folder.resolve("emb"))) {
      assertThat(left.map(path -> path.getFileName().toString()))
          .containsExactlyInAnyOrder("v1", "rejects", "metrics");
    }
  }

  @Test
  void namesInAnyScriptArePathsWhateverTheLocaleAndTheFolder() throws Exception {
    String photos = "фото и маски %2F";
    new Shapes(3).write(folder.resolve(photos), 12);
    Path root = folder.resolve(photos);
    String id = "круг_#1%20";
    Files.move(root.resolve("images/circle_1.jpg"), root.resolve("images/" + id + ".jpg"));
    Path masks = root.resolve("annotations/trimaps");
    Files.move(masks.resolve("circle_1.png"), masks.resolve(id + ".png"));
    Path list = root.resolve("annotations/trainval.txt");
    Files.writeString(list, Files.readString(list).replace("circle_1 ", id + " "));

    // Nothing can be written there, and new files are nobody else's.
    ProcessBuilder builder = Submit.squeeze(Path.of("/proc"), words(photos, "вложения"));
    builder.environment().put("LC_ALL", "C");
    List<String> command = new ArrayList<>(List.of("sh", "-c", "umask 077; exec \"$@\"", "sh"));
    command.addAll(builder.command());
    String said = ended(start(builder.command(command), "names.log"), 0, "names.log");
    assertThat(said).contains("{test=0, trainval=12} rows", ", 0 rejects", "/вложения/v1");
    String sql = "SELECT image_path FROM embeddings WHERE sample_id LIKE 'круг%'";
    assertThat(Command.run("query", "--workspace", folder + "/вложения", "--sql", sql).out())
        .contains("images/" + id + ".jpg");
  }

  @Test
  void libtorchIsUnpackedOnceByManyAndAgainAfterOneThatWasKilled() throws Exception {
    Path cache = folder.resolve("cache");
    Process killed = torch(cache, "killed.log");
    await(() -> Outside.holds(cache, "libtorch_cpu.so"));
    killed.destroyForcibly().waitFor();
    List<Process> many = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      many.add(torch(cache, "torch" + i + ".log"));
    }
    for (int i = 0; i < many.size(); i++) {
      assertThat(ended(many.get(i), 0, "torch" + i + ".log")).contains("libtorch adds up: 3.0");
    }
  }

  private static Process torch(Path cache, String log) throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(
            Submit.java(),
            "-Xmx256m",
            "-cp",
            System.getProperty("java.class.path"),
            ProcessFaultsIT.class.getName());
    builder.environment().put("DJL_CACHE_DIR", cache.toString());
    return start(builder, log);
  }

  /** Loads libtorch and uses it. */
  public static void main(String[] args) {
    Torch.start(1);
    try (var manager = Torch.manager(Device.cpu())) {
      float sum = manager.ones(new ai.djl.ndarray.types.Shape(3)).sum().getFloat();
      System.out.println("libtorch adds up: " + sum);
    }
  }
}
