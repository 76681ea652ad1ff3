package io.squeeze.jobs.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.backbone.BackboneFile;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.faults.EveryFault;
import io.squeeze.jobs.faults.FaultyFileSystem;
import io.squeeze.jobs.faults.FaultyFileSystem.Outcome;
import io.squeeze.jobs.gc.GcJob;
import io.squeeze.jobs.publish.Publisher.Draft;
import io.squeeze.jobs.publish.Publisher.Publication;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.storage.FolderLock;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The protocol of publishing, at every operation of storage, without a session. */
class PublisherTest {
  private final HadoopStorage storage = FaultyFileSystem.storage();

  @TempDir Path folder;

  @AfterEach
  void mend() {
    FaultyFileSystem.none();
  }

  private String base(String name) {
    return FaultyFileSystem.SCHEME + ":" + folder.resolve(name);
  }

  private Publisher publisher(String name) throws IOException {
    return publisher(name, Manifest.EMBEDDINGS);
  }

  private Publisher publisher(String name, String table) throws IOException {
    return new Publisher(storage, Fixture.SILENT, base(name), table, "--embeddings");
  }

  /** Two files of rows, one of rejects, and what a failed attempt left. */
  private Draft write(Place place, String text) throws IOException {
    List<DataFile> files = new ArrayList<>();
    for (String name : List.of("split=train/a.parquet", "split=test/b.parquet")) {
      files.add(file(place.rows(), name, text));
    }
    file(place.rows(), "split=test/orphan.parquet", "half");
    storage.delete(Storage.join(place.beside("rejects"), "r.parquet"));
    file(place.beside("rejects"), "r.parquet", text);
    return new Draft(place, manifest(text, files), List.of("rejects"));
  }

  private DataFile file(String folder, String name, String text) throws IOException {
    String path = Storage.join(folder, name);
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    storage.delete(path);
    try (OutputStream out = storage.write(path)) {
      out.write(bytes);
    }
    return new DataFile(name, bytes.length, 1, BackboneFile.digest(text));
  }

  private static Manifest manifest(String text, List<DataFile> files) {
    return new Manifest(
        Manifest.SCHEMA_VERSION,
        Manifest.EMBEDDINGS,
        Map.of("lists", text, "size", "224"),
        "float32",
        null,
        "/photos",
        List.of(),
        List.of(),
        List.of(),
        "",
        List.of("train", "test"),
        VersionTables.rows(List.of("train", "test"), files),
        1,
        1,
        1,
        1,
        1,
        null,
        null,
        files);
  }

  private Publication publish(String name, String text, boolean resumed) throws IOException {
    return publisher(name)
        .run(
            Map.of("lists", text, "size", "224"),
            List.of("lists"),
            next -> write(resumed ? next.resumed(text) : next.fresh(), text));
  }

  /** The files of the current version and of its rejects, with their texts. */
  private Object whole(String name) throws IOException {
    Optional<Published> current = new Versions(storage, base(name)).current();
    if (current.isEmpty()) {
      return Optional.empty();
    }
    List<String> texts = new ArrayList<>();
    String version = current.get().path();
    for (DataFile file : current.get().manifest().files()) {
      texts.add(file.path() + " " + storage.text(Storage.join(version, file.path())));
    }
    String rejects = base(name) + "/rejects" + version.substring(version.lastIndexOf('/'));
    texts.add(storage.text(Storage.join(rejects, "r.parquet")));
    return texts;
  }

  /** Nothing is left beside the current version, and no other version is there. */
  private void assertClean(String name, String version) throws IOException {
    new GcJob(storage, Fixture.SILENT, base(name), 1, true).run();
    assertThat(names(folder.resolve(name))).containsExactlyInAnyOrder(version, "rejects");
    assertThat(names(folder.resolve(name).resolve("rejects"))).containsExactly(version);
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }

  @Test
  void afterAFaultAtAnyOperationTheSameJobPublishesAWholeVersion() throws Exception {
    for (boolean resumed : new boolean[] {true, false}) {
      EveryFault tried =
          EveryFault.of(
              "first" + resumed,
              name -> {
                publish(name, "one", resumed);
                return whole(name);
              },
              this::whole);
      for (String name : tried.places()) {
        assertClean(name, "v1");
      }
    }
  }

  @Test
  void aFaultWhileTheNextVersionIsPublishedLeavesTheOneBeforeWhole() throws Exception {
    EveryFault.Work next =
        name -> {
          publish(name, "two", true);
          return whole(name);
        };
    EveryFault tried =
        EveryFault.of(
            "next",
            name -> {
              if (whole(name).equals(Optional.empty())) {
                FaultyFileSystem.pause(() -> publish(name, "one", true));
              }
              return next.run(name);
            },
            name -> {
              List<?> found = (List<?>) whole(name);
              return found.toString().contains("one") ? Optional.empty() : found;
            });
    for (String name : tried.places()) {
      assertClean(name, "v2");
    }
  }

  @Test
  void whatIsThereIsFoundAndWhatDiffersIsRefused() throws IOException {
    assertThat(publish("data", "one", true).fresh()).isTrue();
    assertThat(publish("data", "one", true).fresh()).isFalse();
    assertThat(publish("data", "more", true).version().path()).endsWith("/v2");
    assertThatThrownBy(
            () ->
                publisher("data")
                    .run(Map.of("lists", "one", "size", "96"), List.of("lists"), next -> null))
        .hasMessageMatching(
            "Other embeddings lie in faulty:.*/data/v2 \\(lists: is more, asked for one; size: is 224,"
                + " asked for 96\\): name another folder \\(--embeddings\\)");
    assertThatThrownBy(
            () -> publisher("data", Manifest.CODES).run(Map.of(), List.of(), next -> null))
        .hasMessageContaining("holds embeddings, not codes");
    assertThatThrownBy(() -> publish("data/v2", "again", true))
        .hasMessageContaining("is a version, and something else is asked for");
  }

  @Test
  void oneOfTwoJobsPublishes() throws IOException {
    FolderLock.holding(
        storage,
        new Versions(storage, base("locked")).base(),
        () ->
            assertThatThrownBy(() -> publish("locked", "one", true))
                .hasMessageContaining("Another run writes to"));
    assertThat(publish("locked", "one", true).fresh()).isTrue();
  }

  @Test
  void aNoteOfTheFirstReleaseIsTakenBackToo() throws IOException {
    FaultyFileSystem.fault(
        (operation, path) -> {
          if (operation.equals("rename") && path.endsWith("/v1/_manifest.json")) {
            throw new IOException("the process has ended");
          }
          return Outcome.DONE;
        });
    assertThatThrownBy(() -> publish("old", "one", true)).isInstanceOf(IOException.class);
    FaultyFileSystem.none();
    Files.writeString(folder.resolve("old/_publishing"), "v1 _v1.one");
    publish("old", "one", true);
    assertClean("old", "v1");
  }

  @Test
  void aFailingJobTellsItsOwnFailureAndLeavesNothing() throws IOException {
    assertThatThrownBy(
            () ->
                publisher("fails")
                    .run(
                        Map.of(),
                        List.of(),
                        next -> {
                          file(next.fresh().rows(), "split=train/a.parquet", "x");
                          throw new IllegalStateException("no luck");
                        }))
        .hasMessage("no luck");
    assertThat(names(folder.resolve("fails"))).isEmpty();
  }
}
