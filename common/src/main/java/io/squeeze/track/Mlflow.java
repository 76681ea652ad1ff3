package io.squeeze.track;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URLEncoder;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;

/**
 * Tells a run to an MLflow server, by its REST API 2.0. Pictures and files go through the server
 * where it offers that ({@code mlflow server --serve-artifacts}, its default); elsewhere they stay
 * in the run's folder.
 */
public final class Mlflow implements Tracker {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int BAD_REQUEST = 400;
  private static final int NOT_FOUND = 404;

  /** The server's own limits of a batch. */
  private static final int MOST_PARAMS = 100;

  private static final int MOST_METRICS = 1000;
  private static final int LONGEST_VALUE = 500;
  private static final String PROXY = "mlflow-artifacts:";

  private final String host;
  private final Map<String, String> environment;
  private final UserMessages voice;
  private final Http http;
  private String run;
  private String artifacts;
  private boolean described;

  /**
   * A tracker of a server.
   *
   * @param uri of the server, without user and password
   * @param environment may hold MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN
   */
  public Mlflow(String uri, Map<String, String> environment, UserMessages voice) {
    this(uri, environment, voice, Http.TIMEOUT);
  }

  Mlflow(String uri, Map<String, String> environment, UserMessages voice, Duration timeout) {
    this.host = uri.replaceAll("/+$", "");
    this.environment = environment;
    this.voice = voice;
    this.http = new Http(timeout);
  }

  @Override
  public String name() {
    return "MLflow at " + host;
  }

  @Override
  public void start(RunInfo info) throws IOException, InterruptedException {
    if (run == null && !(info.epoch() > 0 && known(info))) {
      create(info);
    }
    info.ids().put(name(), run);
    if (!described) {
      describe(info.parameters());
      described = true;
    }
    update("RUNNING", null);
  }

  @Override
  public void attach(RunInfo info) throws IOException, InterruptedException {
    if (!known(info)) {
      throw Refusal.ofAll("does not know this run: train with --mlflow");
    }
  }

  /** Whether the run that an earlier process began is there. */
  private boolean known(RunInfo info) throws IOException, InterruptedException {
    String id = info.ids().get(name());
    if (id == null) {
      return false;
    }
    try {
      opened(get("runs/get?run_id=" + encoded(id)));
      described = true;
      return true;
    } catch (Refusal e) {
      if (e.status() == NOT_FOUND) {
        return false;
      }
      throw e;
    }
  }

  private void create(RunInfo info) throws IOException, InterruptedException {
    String experiment = experiment(info.project());
    ObjectNode request = JSON.createObjectNode().put("experiment_id", experiment);
    request.put("run_name", info.name()).put("start_time", System.currentTimeMillis());
    request
        .putArray("tags")
        .addObject()
        .put("key", "mlflow.source.name")
        .put("value", "embeddings-squeeze");
    opened(post("runs/create", request));
    voice.say(name() + ": " + host + "/#/experiments/" + experiment + "/runs/" + run);
  }

  private String experiment(String name) throws IOException, InterruptedException {
    Optional<String> found = found(name);
    if (found.isPresent()) {
      return found.get();
    }
    try {
      ObjectNode request = JSON.createObjectNode().put("name", name);
      return post("experiments/create", request).path("experiment_id").asText();
    } catch (Refusal e) {
      // Another run was faster.
      if (e.status() == BAD_REQUEST) {
        return found(name).orElseThrow(() -> e);
      }
      throw e;
    }
  }

  private Optional<String> found(String name) throws IOException, InterruptedException {
    try {
      JsonNode answer = get("experiments/get-by-name?experiment_name=" + encoded(name));
      return Optional.of(answer.path("experiment").path("experiment_id").asText());
    } catch (Refusal e) {
      if (e.status() == NOT_FOUND) {
        return Optional.empty();
      }
      throw e;
    }
  }

  private void opened(JsonNode answer) {
    JsonNode info = answer.path("run").path("info");
    run = info.path("run_id").asText();
    String uri = info.path("artifact_uri").asText();
    artifacts = uri.startsWith(PROXY) ? uri.replaceFirst("^" + PROXY + "(//[^/]*)?/*", "") : null;
    if (artifacts == null) {
      voice.say(
          name()
              + ": pictures and files stay in the run's folder, since artifacts lie in "
              + uri
              + ", not through the server (mlflow server --serve-artifacts)");
    }
  }

  private void describe(Map<String, String> parameters) throws IOException, InterruptedException {
    Iterator<Map.Entry<String, String>> left = parameters.entrySet().iterator();
    while (left.hasNext()) {
      ObjectNode batch = JSON.createObjectNode().put("run_id", run);
      ArrayNode params = batch.putArray("params");
      while (left.hasNext() && params.size() < MOST_PARAMS) {
        Map.Entry<String, String> param = left.next();
        params.addObject().put("key", key(param.getKey())).put("value", shown(param.getValue()));
      }
      post("runs/log-batch", batch);
    }
  }

  @Override
  public void log(EpochReport step) throws IOException, InterruptedException {
    Iterator<Map.Entry<String, Double>> left = step.scalars().entrySet().iterator();
    while (left.hasNext()) {
      ObjectNode batch = JSON.createObjectNode().put("run_id", run);
      ArrayNode metrics = batch.putArray("metrics");
      while (left.hasNext() && metrics.size() < MOST_METRICS) {
        Map.Entry<String, Double> scalar = left.next();
        ObjectNode metric = metrics.addObject().put("key", key(scalar.getKey()));
        metric.put("timestamp", step.millis()).put("step", step.epoch());
        double value = scalar.getValue();
        // JSON knows neither NaN nor infinity; the server takes their names.
        if (Double.isFinite(value)) {
          metric.put("value", value);
        } else {
          metric.put("value", Double.toString(value));
        }
      }
      post("runs/log-batch", batch);
    }
    for (Map.Entry<String, byte[]> picture : step.pictures().entrySet()) {
      String path = "pictures/" + key(picture.getKey()) + "/epoch_" + step.epoch() + ".png";
      put(path, "image/png", BodyPublishers.ofByteArray(picture.getValue()));
    }
  }

  @Override
  public void keep(Artifact artifact) throws IOException, InterruptedException {
    put(artifact.name(), artifact.contentType(), Http.body(artifact));
  }

  private void put(String path, String type, BodyPublisher body)
      throws IOException, InterruptedException {
    if (artifacts == null) {
      return;
    }
    String uri =
        host + "/api/2.0/mlflow-artifacts/artifacts/" + Http.escaped(artifacts + "/" + path);
    try {
      http.send(authorized(uri).header("Content-Type", type).PUT(body).build());
    } catch (Refusal e) {
      // Of files alone: numbers and status may pass.
      throw e.once();
    }
  }

  @Override
  public void finish(Ending ending) throws IOException, InterruptedException {
    if (!ending.message().isEmpty()) {
      ObjectNode tag = JSON.createObjectNode().put("run_id", run).put("key", "squeeze.ending");
      post("runs/set-tag", tag.put("value", shown(ending.message())));
    }
    String status =
        switch (ending.status()) {
          case COMPLETED -> "FINISHED";
          case FAILED -> "FAILED";
          case STOPPED -> "KILLED";
        };
    update(status, ending.millis());
  }

  private void update(String status, Long end) throws IOException, InterruptedException {
    ObjectNode request = JSON.createObjectNode().put("run_id", run).put("status", status);
    if (end != null) {
      request.put("end_time", end);
    }
    post("runs/update", request);
  }

  private JsonNode get(String call) throws IOException, InterruptedException {
    return parsed(http.send(authorized(host + "/api/2.0/mlflow/" + call).GET().build()));
  }

  private JsonNode post(String call, ObjectNode request) throws IOException, InterruptedException {
    return parsed(
        http.send(
            authorized(host + "/api/2.0/mlflow/" + call)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(request.toString()))
                .build()));
  }

  private JsonNode parsed(String answer) throws Refusal {
    try {
      return JSON.readTree(answer);
    } catch (JsonProcessingException e) {
      throw Refusal.ofAll("does not answer like an MLflow server");
    }
  }

  private HttpRequest.Builder authorized(String uri) throws Refusal {
    HttpRequest.Builder request = http.request(uri);
    String token = environment.get("MLFLOW_TRACKING_TOKEN");
    String user = environment.get("MLFLOW_TRACKING_USERNAME");
    if (token != null) {
      request.header("Authorization", "Bearer " + token);
    } else if (user != null) {
      String password = environment.getOrDefault("MLFLOW_TRACKING_PASSWORD", "");
      request.header("Authorization", Http.basic(user, password));
    }
    return request;
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  /** The server refuses a whole batch for one character that it does not take in a key. */
  private static String key(String name) {
    return name.replaceAll("[^\\w\\-./ ]", "_");
  }

  private static String shown(String value) {
    return value.length() <= LONGEST_VALUE ? value : value.substring(0, LONGEST_VALUE - 1) + "…";
  }
}
