package io.squeeze.track;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.squeeze.storage.Storage;
import io.squeeze.track.Ending.Status;
import io.squeeze.track.FakeServer.Fault;
import io.squeeze.track.FakeServer.Request;
import io.squeeze.track.Outbox.Patience;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class ClearMlTest {
  private static final Patience SHORT = new Patience(Duration.ofMillis(5), Duration.ofMillis(20));
  private static final String SECRET = "s3cr3t-of-the-test";
  private static final byte[] PNG = "png".getBytes(StandardCharsets.UTF_8);

  @TempDir Path folder;
  private final Heard heard = new Heard();
  private final KnownIds ids = new KnownIds();
  private ClearMlServer server;

  @BeforeEach
  void start() throws IOException {
    server = new ClearMlServer("the-key", SECRET);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private ClearMlCredentials credentials(String secret) {
    String address = server.address();
    return new ClearMlCredentials(address, "http://web", address, "the-key", secret);
  }

  private Tracking tracking(String secret) {
    ClearMl clearMl = new ClearMl(credentials(secret), heard, Duration.ofMillis(400));
    return new Tracking(List.of(clearMl), heard, SHORT);
  }

  private String name() {
    return "ClearML at " + server.address();
  }

  private RunInfo run(int epoch) {
    return new RunInfo("pets [1]", "vq", Map.of("train.lr", "1.0E-4"), epoch, ids);
  }

  private static EpochReport step(int epoch) {
    return new EpochReport(
        epoch,
        1234,
        Map.of("train/loss", 0.5, "val/iou/pet", 0.7, "val/loss", Double.NaN),
        Map.of("val/pictures", PNG),
        Map.of("codes/level_0", Histogram.ofCodes(new long[] {1, 2})),
        false);
  }

  private void wholeRun(Tracking tracking) {
    tracking.start(run(0));
    tracking.log(step(1));
    tracking.finish(Status.COMPLETED, "");
  }

  @Test
  void aRunBecomesATask() throws Exception {
    Path config = folder.resolve("config.json");
    Files.writeString(config, "{}");
    Tracking tracking = tracking(SECRET);
    tracking.start(run(0));
    tracking.log(step(1));
    tracking.keep(new Artifact("config.json", Storage.local(), config.toString()));
    tracking.finish(Status.COMPLETED, "");

    assertThat(server.requests.stream().map(Request::path))
        .containsExactly(
            "/auth.login",
            "/projects.get_all",
            "/projects.create",
            "/tasks.create",
            "/tasks.started",
            "/events.add_batch",
            "/",
            "/events.add_batch",
            "/",
            "/tasks.add_or_update_artifacts",
            "/tasks.completed");
    assertThat(server.to("/projects.get_all").get(0).json().path("name").asText())
        .isEqualTo("^pets\\ \\[1\\]$");
    JsonNode task = server.to("/tasks.create").get(0).json();
    assertThat(task.path("type").asText()).isEqualTo("training");
    assertThat(task.path("project").asText()).isEqualTo("p1");
    assertThat(task.at("/hyperparams/squeeze/train.lr/value").asText()).isEqualTo("1.0E-4");
    List<JsonNode> events = new ArrayList<>();
    for (Request batch : server.to("/events.add_batch")) {
      for (String line : batch.text().lines().toList()) {
        events.add(FakeServer.JSON.readTree(line));
      }
    }
    assertThat(events.stream().map(e -> e.path("type").asText()))
        .containsExactlyInAnyOrder(
            "training_stats_scalar", "training_stats_scalar", "plot", "training_debug_image");
    assertThat(events)
        .anySatisfy(
            event -> {
              assertThat(event.path("metric").asText()).isEqualTo("val");
              assertThat(event.path("variant").asText()).isEqualTo("iou/pet");
              assertThat(event.path("iter").asInt()).isEqualTo(1);
            })
        .anySatisfy(
            event ->
                assertThat(event.path("url").asText())
                    .isEqualTo(
                        server.address() + "/pets%20%5B1%5D/vq.t1/pictures/val/pictures_1.png"));
    assertThat(server.to("/").get(0).text())
        .contains("name=\"pets [1]/vq.t1/pictures/val/pictures_1.png\"", "\r\n\r\npng\r\n");
    assertThat(server.state()).isEqualTo("completed");
    assertThat(heard.said).containsExactly(name() + ": http://web/projects/p1/experiments/t1");
    assertThat(heard.warned).isEmpty();
    assertThat(ids.known).containsExactlyEntriesOf(Map.of(name(), "t1"));
  }

  @Test
  void aRunThatIsGoneOnWithIsTheSameTask() {
    server.hasTask("t1");
    ids.put(name(), "t1");
    Tracking tracking = tracking(SECRET);
    tracking.start(run(4));
    tracking.finish(Status.STOPPED, "Interrupted");
    assertThat(server.to("/tasks.create")).isEmpty();
    assertThat(server.to("/tasks.started").get(0).json().path("task").asText()).isEqualTo("t1");
    assertThat(server.to("/tasks.stopped").get(0).json().path("status_message").asText())
        .isEqualTo("Interrupted");
  }

  @Test
  void aTaskThatIsGoneIsBegunAnew() {
    ids.put(name(), "deleted");
    Tracking tracking = tracking(SECRET);
    tracking.start(run(4));
    tracking.finish(Status.COMPLETED, "");
    assertThat(ids.known).containsEntry(name(), "t1");
    assertThat(server.state()).isEqualTo("completed");
  }

  @Test
  void aProjectThatAnotherRunMakesMeanwhileIsTaken() {
    server.hasProject("pets [1]");
    server.fail(
        "/projects.get_all", e -> ClearMlServer.envelope(200, 0, "OK", "{\"projects\":[]}"));
    wholeRun(tracking(SECRET));
    assertThat(server.to("/projects.create")).hasSize(1);
    assertThat(server.to("/projects.get_all")).hasSize(2);
    assertThat(server.to("/tasks.create").get(0).json().path("project").asText()).isEqualTo("p1");
    assertThat(heard.warned).isEmpty();
  }

  @Test
  void aFileServerThatRefusesCostsFilesAlone() {
    server.fail("/", Fault.status(413, "too large"));
    wholeRun(tracking(SECRET));
    assertThat(server.state()).isEqualTo("completed");
    assertThat(server.to("/events.add_batch")).hasSize(1);
    assertThat(heard.warned).hasSize(1);
    assertThat(heard.warned.get(0)).contains("answers 413: too large", "that part is left out");
  }

  @Test
  void anAdditionLeavesTheStatusAndNeedsARunThatIsKnown() {
    server.hasTask("t1");
    ids.put(name(), "t1");
    Tracking tracking = tracking(SECRET);
    tracking.attach(run(4));
    tracking.log(EpochReport.of(4, 1, Map.of("evaluation_test/iou", 0.5), false));
    tracking.close();
    assertThat(server.asked())
        .containsExactly("/auth.login", "/tasks.get_all", "/events.add_batch");
    ids.known.clear();
    Tracking unknown = tracking(SECRET);
    unknown.attach(run(4));
    unknown.close();
    assertThat(heard.warned).hasSize(1);
    assertThat(heard.warned.get(0)).contains("does not know this run: train with --use_clearml");
  }

  @Test
  void aTokenThatRanOutIsRenewedOnce() {
    server.fail(
        "/events.add_batch",
        e -> ClearMlServer.envelope(401, 30, "Unauthorized (invalid token)", "{}"));
    wholeRun(tracking(SECRET));
    assertThat(server.to("/auth.login")).hasSize(2);
    assertThat(server.to("/events.add_batch")).hasSize(3);
    assertThat(server.state()).isEqualTo("completed");
    assertThat(heard.warned).isEmpty();
  }

  @Test
  void credentialsThatAreRefusedAreSaidOnceAndNeverShown() {
    wholeRun(tracking("wrong-secret"));
    assertThat(heard.warned)
        .containsExactly(name() + ": refuses the credentials; the run goes on without it");
    assertThat(server.to("/auth.login")).hasSize(1);
    assertThat(credentials(SECRET).toString()).doesNotContain(SECRET, "the-key");
  }

  @Test
  void errorsSlownessAndDroppedConnectionsAreOvercome() {
    server.fail("/auth.login", Fault.dropped(), Fault.status(502, "<html>Bad gateway</html>"));
    server.fail("/tasks.create", Fault.status(500, "boom"), Fault.slow(1000));
    server.fail("/events.add_batch", Fault.dropped(), Fault.status(503, ""));
    wholeRun(tracking(SECRET));
    Tracking.settle(Duration.ofSeconds(20));
    assertThat(server.state()).isEqualTo("completed");
    assertThat(server.to("/events.add_batch")).hasSize(4);
    assertThat(heard.warned).hasSize(1);
    assertThat(heard.warned.get(0)).contains("does not answer", "sent later");
    assertThat(server.requests.stream().map(Request::text))
        .noneMatch(text -> text.contains(SECRET));
  }

  @Test
  void eventsThatAreRefusedOneByOneAreSaidAndNotSentAgain() {
    server.fail(
        "/events.add_batch",
        e ->
            ClearMlServer.envelope(
                200, 0, "OK", "{\"added\":3,\"errors\":1,\"errors_info\":{\"Invalid\":1}}"));
    wholeRun(tracking(SECRET));
    assertThat(server.to("/events.add_batch")).hasSize(1);
    assertThat(heard.warned).hasSize(1);
    assertThat(heard.warned.get(0)).contains("takes 3 of 3 events", "that part is left out");
    assertThat(server.state()).isEqualTo("completed");
  }

  @Test
  void aServerOfAnotherKindIsGivenUp() {
    server.fail("/auth.login", Fault.status(200, "<html>Welcome</html>"));
    wholeRun(tracking(SECRET));
    assertThat(heard.warned).hasSize(1);
    assertThat(heard.warned.get(0)).contains("does not answer like a ClearML server");
  }

  @Test
  void credentialsComeFromTheFileUnderTheEnvironment() {
    String yaml = "api_host: http://a/\napi_key: k\napi_secret: \"s\"\n";
    ClearMlCredentials file = ClearMlCredentials.of(yaml, Map.of());
    assertThat(file.api()).isEqualTo("http://a");
    // Nothing of a private server goes to the public one.
    assertThat(file.web()).isNull();
    assertThat(file.files()).isNull();
    ClearMlCredentials hosted = ClearMlCredentials.of("api_key: k\napi_secret: s", Map.of());
    assertThat(hosted.files()).isEqualTo("https://files.clear.ml");
    assertThatThrownBy(() -> ClearMlCredentials.of(yaml + "web_host: http://me:pw@w", Map.of()))
        .hasMessageContaining("web_host holds a user or password")
        .hasMessageNotContaining("pw@");
    assertThat(file.secret()).isEqualTo("s");
    Map<String, String> environment =
        Map.of("CLEARML_API_SECRET_KEY", "other", "CLEARML_API_HOST", "http://b");
    ClearMlCredentials both = ClearMlCredentials.of(yaml, environment);
    assertThat(both.secret()).isEqualTo("other");
    assertThat(both.api()).isEqualTo("http://b");
    assertThatThrownBy(() -> ClearMlCredentials.of(null, Map.of()))
        .hasMessage("api_key is not set");
    assertThatThrownBy(() -> ClearMlCredentials.of("api_secret: [s3cr3t", Map.of()))
        .hasMessageContaining("is no YAML")
        .hasMessageNotContaining("s3cr3t")
        .hasNoCause();
  }
}
