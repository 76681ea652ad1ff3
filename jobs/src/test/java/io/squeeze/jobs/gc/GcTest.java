package io.squeeze.jobs.gc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.gc.GcJob.Removed;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.storage.FolderLock;
import io.squeeze.jobs.storage.HadoopStorage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class GcTest {
  private final SparkSession spark = Shared.session();
  @TempDir Path folder;

  private static List<String> names(Path base, List<Removed> removed) {
    return removed.stream()
        .map(
            r ->
                base.toUri()
                    .relativize(Path.of(r.path().replace("file:", "")).toUri())
                    .getPath()
                    .replaceAll("/$", ""))
        .toList();
  }

  @Test
  void oldVersionsAndLeftoversGoAndTheCurrentOneStays() throws IOException {
    Fixture fixture = new Fixture(folder, 24);
    Path base = folder.resolve("e");
    Settings settings = fixture.settings("e", "");
    // A list that grows by its last photo makes a second version.
    Path list = fixture.photos().resolve("annotations/test.txt");
    List<String> lines = Files.readAllLines(list);
    Files.write(list, lines.subList(0, lines.size() - 1));
    new ExtractJob(Fixture.squeeze(spark), settings).run();
    Files.write(list, lines);
    String second = new ExtractJob(Fixture.squeeze(spark), settings).run().path();
    assertThat(second).endsWith("/v2");
    Files.createDirectories(base.resolve("_v3.0123456789abcdef/split=test"));
    Files.writeString(base.resolve("_v3.0123456789abcdef/split=test/left.parquet"), "left");
    Files.createDirectories(base.resolve("rejects/_v3.0123456789abcdef"));

    List<String> goes =
        List.of(
            "v1",
            "_v3.0123456789abcdef",
            "rejects/_v3.0123456789abcdef",
            "rejects/v1",
            "metrics/v1.json");
    List<Removed> dry = Fixture.gc(spark, base.toString(), 1, false).run();
    assertThat(names(base, dry)).containsExactlyInAnyOrderElementsOf(goes);
    assertThat(dry).allMatch(one -> Files.exists(Path.of(one.path().replace("file:", ""))));
    assertThat(Fixture.gc(spark, base.toString(), 2, false).run()).hasSize(2);

    HadoopStorage storage = Sessions.storage(spark);
    FolderLock.holding(
        storage,
        storage.qualified(base.toString()),
        () ->
            assertThatThrownBy(() -> Fixture.gc(spark, base.toString(), 1, true).run())
                .isInstanceOf(SqueezeException.class)
                .hasMessageContaining("Another run writes to"));
    Fixture.gc(spark, base.toString(), 1, true).run();
    assertThat(dry).noneMatch(one -> Files.exists(Path.of(one.path().replace("file:", ""))));
    assertThat(Versions.embeddings(storage, base.toString()).path()).isEqualTo(second);
    assertThat(Fixture.gc(spark, base.toString(), 1, true).run()).isEmpty();
    assertThatThrownBy(() -> Fixture.gc(spark, second, 1, true).run())
        .hasMessageContaining("is a version: name the data set above it");
    assertThatThrownBy(() -> Fixture.gc(spark, folder.toString(), 1, true).run())
        .hasMessageContaining("No versions in ");
  }
}
