package io.squeeze.jobs.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.faults.EveryFault;
import io.squeeze.jobs.faults.FaultyFileSystem;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.quantize.Quantizer;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.storage.Storage;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.ModelState;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.commons.codec.digest.DigestUtils;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The folder of a run of three epochs, at every operation of storage, without a session. */
class RunFolderTest {
  private static final String SOURCE = "/embeddings/v1";
  private static final int EPOCHS = 3;

  private final HadoopStorage storage = FaultyFileSystem.storage();
  private final Settings settings =
      Settings.defaults()
          .with("train.head", "none")
          .with("quantizer.codebook-size", "4")
          .with("quantizer.bottleneck-dim", "2")
          .with("embeddings", SOURCE);

  @TempDir Path folder;

  @AfterEach
  void mend() {
    FaultyFileSystem.none();
  }

  private RunFolder run(String name) {
    return new RunFolder(storage, FaultyFileSystem.SCHEME + ":" + folder.resolve(name));
  }

  private Checkpoint checkpoint(int epoch) {
    return new Checkpoint(
        ModelState.start(
            new SqueezeModel(settings, 3, 0),
            settings.train().optimizer(),
            Quantizer.of(settings.quantizer(), 3).initial(epoch)),
        Checkpoint.Config.of(settings),
        new Batch.Layout(3, 1, 1, 1),
        List.of(),
        List.of(),
        "backbone",
        epoch,
        new Checkpoint.Progress(0.5, epoch, epoch == EPOCHS));
  }

  /** What training does with the folder. */
  private Object train(String name) throws IOException {
    RunFolder run = run(name);
    run.locked(
        () -> {
          Optional<Checkpoint> left = run.left(Fixture.SILENT, settings, SOURCE, "backbone");
          if (left.isPresent() && left.get().progress().finished()) {
            run.restore(left.get());
            return null;
          }
          if (left.isPresent()) {
            run.resume(left.get());
          } else {
            run.begin(settings);
          }
          for (int epoch = left.map(Checkpoint::epoch).orElse(0) + 1; epoch <= EPOCHS; epoch++) {
            Checkpoint checkpoint = checkpoint(epoch);
            run.saveBest(checkpoint);
            run.addMetrics(Map.of("epoch", epoch));
            run.saveLast(checkpoint, 1);
          }
          return null;
        });
    Path at = folder.resolve(name);
    return List.of(
        digest(at.resolve(RunFolder.LAST)),
        digest(at.resolve(RunFolder.BEST)),
        Files.readAllLines(at.resolve(RunFolder.METRICS)));
  }

  private static String digest(Path file) throws IOException {
    return DigestUtils.sha256Hex(Files.readAllBytes(file));
  }

  /** Nothing, after a look at the checkpoints: whatever has its name is whole. */
  private Object checkpoints(String name) throws IOException {
    Path at = folder.resolve(name);
    if (Files.exists(at)) {
      try (Stream<Path> files = Files.walk(at)) {
        for (Path file : files.filter(path -> path.toString().endsWith(".ckpt")).toList()) {
          assertThat(Checkpoint.read(Storage.local(), file.toString()).epoch()).isPositive();
        }
      }
    }
    return Optional.empty();
  }

  @Test
  void afterAFaultAtAnyOperationTheRunGoesOnToTheSameBytes() throws Exception {
    EveryFault.of("run", this::train, this::checkpoints);
  }

  @Test
  void aDamagedCheckpointIsReplacedByTheOneBefore() throws Exception {
    Object whole = train("whole");
    train("damaged");
    Path last = folder.resolve("damaged/" + RunFolder.LAST);
    byte[] bytes = Files.readAllBytes(last);
    bytes[bytes.length / 2] ^= 1;
    Files.write(last, bytes);
    assertThat(run("damaged").left(Fixture.SILENT, settings, SOURCE, "backbone"))
        .map(Checkpoint::epoch)
        .contains(EPOCHS - 1);
    assertThat(train("damaged")).isEqualTo(whole);
  }

  /** Runs of 0.1.0 know no start of projections, and had a decay of 0.99. */
  @Test
  void aRunOfAnOlderVersionGoesOnUnderItsOwnSettings() throws Exception {
    train("older");
    Path config = folder.resolve("older/config.json");
    ObjectNode json = (ObjectNode) new ObjectMapper().readTree(config.toFile());
    ObjectNode quantizer = (ObjectNode) json.get("quantizer");
    assertThat(quantizer.remove("projection-start").asText()).isEqualTo("principal");
    ((ObjectNode) quantizer.get("codebook")).put("decay", 0.99);
    Files.writeString(config, json.toString());
    assertThatThrownBy(() -> run("older").left(Fixture.SILENT, settings, SOURCE, "backbone"))
        .hasMessageContaining("quantizer.codebook.decay: is 0.99, asked for unset")
        .hasMessageContaining("quantizer.projection-start: is random, asked for principal");
    Settings own =
        settings
            .with("quantizer.codebook.decay", "0.99")
            .with("quantizer.projection-start", "random");
    assertThat(run("older").left(Fixture.SILENT, own, SOURCE, "backbone")).isPresent();
    assertThat(own.with("quantizer.type", "lfq").trainingJson())
        .isEqualTo(settings.with("quantizer.type", "lfq").trainingJson());
  }

  @Test
  void anotherRunInTheFolderIsRefused() throws Exception {
    train("taken");
    Settings other = settings.with("train.lr", "0.5");
    assertThatThrownBy(() -> run("taken").left(Fixture.SILENT, other, SOURCE, "backbone"))
        .hasMessageContaining("Another run lies in ")
        .hasMessageContaining("name another with --experiment_name");
    assertThatThrownBy(
            () -> run("taken").left(Fixture.SILENT, settings, "/embeddings/v2", "backbone"))
        .hasMessageContaining("embeddings: is /embeddings/v1, asked for /embeddings/v2");
  }
}
