package io.squeeze.track;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.squeeze.storage.Storage;
import io.squeeze.track.Ending.Status;
import io.squeeze.track.FakeServer.Answer;
import io.squeeze.track.FakeServer.Fault;
import io.squeeze.track.FakeServer.Request;
import io.squeeze.track.Outbox.Patience;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class MlflowTest {
  private static final Patience SHORT = new Patience(Duration.ofMillis(5), Duration.ofMillis(20));
  private static final String API = "/api/2.0/mlflow/";
  private static final String FILES = "/api/2.0/mlflow-artifacts/artifacts/1/r1/artifacts/";
  private static final byte[] PNG = "png".getBytes(StandardCharsets.UTF_8);

  @TempDir Path folder;
  private final Heard heard = new Heard();
  private final KnownIds ids = new KnownIds();
  private Server server;

  /** Answers as MLflow's tracking server with --serve-artifacts does. */
  private static final class Server extends FakeServer {
    private String token;
    private String artifacts = "mlflow-artifacts:/1/r1/artifacts";
    private String status = "";
    private boolean experiment;

    Server() throws IOException {}

    static Answer error(int code, String name) {
      return new Answer(code, "{\"error_code\":\"" + name + "\",\"message\":\"" + name + "\"}");
    }

    @Override
    protected synchronized Answer answer(Request request) {
      if (token != null && !("Bearer " + token).equals(request.authorization())) {
        return error(401, "UNAUTHENTICATED");
      }
      if (request.method().equals("PUT")) {
        return new Answer(200, "{}");
      }
      return switch (request.path().replace(API, "")) {
        case "experiments/get-by-name" ->
            experiment
                ? new Answer(200, "{\"experiment\":{\"experiment_id\":\"1\"}}")
                : error(404, "RESOURCE_DOES_NOT_EXIST");
        case "experiments/create" -> create();
        case "runs/create", "runs/get", "runs/update" -> run(request);
        case "runs/log-batch", "runs/set-tag" -> new Answer(200, "{}");
        default -> error(404, "ENDPOINT_NOT_FOUND");
      };
    }

    private Answer create() {
      if (experiment) {
        return error(400, "RESOURCE_ALREADY_EXISTS");
      }
      experiment = true;
      return new Answer(200, "{\"experiment_id\":\"1\"}");
    }

    private Answer run(Request request) {
      if (request.path().endsWith("get") && !"run_id=r1".equals(request.query())) {
        return error(404, "RESOURCE_DOES_NOT_EXIST");
      }
      if (request.path().endsWith("update")) {
        status = request.json().path("status").asText();
      }
      ObjectNode answer = JSON.createObjectNode();
      ObjectNode info = answer.putObject("run").putObject("info");
      info.put("run_id", "r1").put("experiment_id", "1").put("artifact_uri", artifacts);
      return new Answer(200, answer.toString());
    }
  }

  @BeforeEach
  void start() throws IOException {
    server = new Server();
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private Tracking tracking(Map<String, String> environment) {
    Mlflow mlflow = new Mlflow(server.address() + "/", environment, heard, Duration.ofMillis(500));
    return new Tracking(List.of(mlflow), heard, SHORT);
  }

  private String name() {
    return "MLflow at " + server.address();
  }

  private RunInfo run(int epoch) {
    Map<String, String> parameters =
        new TreeMap<>(Map.of("train.lr", "1.0E-4", "long", "x".repeat(900)));
    for (int i = 0; i < 150; i++) {
      parameters.put("more." + i, "1");
    }
    return new RunInfo("pets", "vq", parameters, epoch, ids);
  }

  private static EpochReport step(int epoch) {
    return new EpochReport(
        epoch,
        1234,
        Map.of("val/iou/pet: small", 0.7),
        Map.of("val/pictures", PNG),
        Map.of("codes", Histogram.ofCodes(new long[] {1})),
        false);
  }

  private void wholeRun(Tracking tracking) {
    tracking.start(run(0));
    tracking.log(step(1));
    tracking.finish(Status.COMPLETED, "");
  }

  @Test
  void aRunIsARunThere() throws Exception {
    Path config = folder.resolve("config.json");
    Files.writeString(config, "{\"a\":1}");
    Tracking tracking = tracking(Map.of());
    tracking.start(run(0));
    tracking.log(step(2));
    tracking.keep(new Artifact("config.json", Storage.local(), config.toString()));
    tracking.finish(Status.FAILED, "diverged");

    assertThat(server.requests.stream().map(r -> r.path().replace(API, "")))
        .containsExactly(
            "experiments/get-by-name",
            "experiments/create",
            "runs/create",
            "runs/log-batch",
            "runs/log-batch",
            "runs/update",
            "runs/log-batch",
            FILES + "pictures/val/pictures/epoch_2.png",
            FILES + "config.json",
            "runs/set-tag",
            "runs/update");
    JsonNode created = server.to(API + "runs/create").get(0).json();
    assertThat(created.path("run_name").asText()).isEqualTo("vq");
    List<Request> batches = server.to(API + "runs/log-batch");
    assertThat(batches).hasSize(3);
    assertThat(batches.get(0).json().path("params")).hasSize(100);
    assertThat(batches.get(0).json().at("/params/0/value").asText()).hasSize(500);
    JsonNode metric = batches.get(2).json().at("/metrics/0");
    assertThat(metric.path("key").asText()).isEqualTo("val/iou/pet_ small");
    assertThat(metric.path("value").asDouble()).isEqualTo(0.7);
    assertThat(metric.path("step").asInt()).isEqualTo(2);
    assertThat(metric.path("timestamp").asLong()).isEqualTo(1234);
    assertThat(server.to(FILES + "config.json").get(0).text()).isEqualTo("{\"a\":1}");
    assertThat(server.status).isEqualTo("FAILED");
    assertThat(heard.said)
        .containsExactly(name() + ": " + server.address() + "/#/experiments/1/runs/r1");
    assertThat(heard.warned).isEmpty();
  }

  @Test
  void aRunThatIsGoneOnWithIsTheSame() {
    ids.put(name(), "r1");
    Tracking tracking = tracking(Map.of());
    tracking.start(run(3));
    tracking.finish(Status.STOPPED, "");
    assertThat(server.to(API + "runs/create")).isEmpty();
    assertThat(server.to(API + "runs/log-batch")).isEmpty();
    assertThat(server.to(API + "runs/update").get(0).json().path("status").asText())
        .isEqualTo("RUNNING");
    assertThat(server.status).isEqualTo("KILLED");
  }

  @Test
  void aRunThatIsGoneIsBegunAnew() {
    ids.put(name(), "deleted");
    Tracking tracking = tracking(Map.of());
    tracking.start(run(3));
    tracking.finish(Status.COMPLETED, "");
    assertThat(ids.known).containsEntry(name(), "r1");
    assertThat(server.status).isEqualTo("FINISHED");
  }

  @Test
  void anExperimentThatAnotherRunMakesMeanwhileIsTaken() {
    server.experiment = true;
    server.fail(API + "experiments/get-by-name", Fault.status(404, "{}"));
    wholeRun(tracking(Map.of()));
    assertThat(server.to(API + "experiments/create")).hasSize(1);
    assertThat(server.status).isEqualTo("FINISHED");
    assertThat(heard.warned).isEmpty();
  }

  @Test
  void anAdditionLeavesTheStatus() {
    ids.put(name(), "r1");
    Tracking tracking = tracking(Map.of());
    tracking.attach(run(4));
    tracking.log(EpochReport.of(4, 1, Map.of("evaluation_test/iou", Double.NaN), false));
    tracking.close();
    assertThat(server.requests.stream().map(r -> r.path().replace(API, "")))
        .containsExactly("runs/get", "runs/log-batch");
    assertThat(server.to(API + "runs/log-batch").get(0).json().at("/metrics/0/value").asText())
        .isEqualTo("NaN");
  }

  @Test
  void aTokenOpensTheServerAndItsFilesAndIsNeverShown() {
    server.token = "t0ken";
    wholeRun(tracking(Map.of("MLFLOW_TRACKING_TOKEN", "t0ken")));
    assertThat(server.status).isEqualTo("FINISHED");
    assertThat(heard.warned).isEmpty();
    wholeRun(tracking(Map.of("MLFLOW_TRACKING_TOKEN", "wr0ng")));
    assertThat(heard.warned).hasSize(1);
    assertThat(heard.warned.get(0))
        .contains("answers 401", "the run goes on without it")
        .doesNotContain("wr0ng");
  }

  @Test
  void errorsSlownessAndDroppedConnectionsAreOvercome() {
    server.fail(API + "experiments/get-by-name", Fault.dropped(), Fault.slow(1500));
    server.fail(API + "runs/log-batch", Fault.status(500, "boom"), Fault.status(429, ""));
    server.fail(FILES + "pictures/val/pictures/epoch_1.png", Fault.dropped(), Fault.slow(1500));
    wholeRun(tracking(Map.of()));
    Tracking.settle(Duration.ofSeconds(20));
    assertThat(server.to(API + "runs/create")).hasSize(1);
    assertThat(server.status).isEqualTo("FINISHED");
    assertThat(heard.warned).hasSize(1);
  }

  @Test
  void filesStayWithTheRunWhereTheServerPassesNoneOn() {
    server.artifacts = "s3://bucket/1/r1/artifacts";
    wholeRun(tracking(Map.of()));
    assertThat(server.requests).noneMatch(request -> request.method().equals("PUT"));
    assertThat(server.status).isEqualTo("FINISHED");
    assertThat(heard.said)
        .anyMatch(line -> line.contains("s3://bucket/1/r1/artifacts, not through the server"));
  }
}
