package io.squeeze.track;

import java.io.IOException;
import java.net.URLEncoder;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.mlflow.api.proto.Service.CreateRun;
import org.mlflow.api.proto.Service.Experiment;
import org.mlflow.api.proto.Service.Metric;
import org.mlflow.api.proto.Service.Param;
import org.mlflow.api.proto.Service.RunStatus;
import org.mlflow.api.proto.Service.RunTag;
import org.mlflow.tracking.MlflowClient;
import org.mlflow.tracking.MlflowClientException;
import org.mlflow.tracking.MlflowHttpException;
import org.mlflow.tracking.creds.BasicMlflowHostCreds;

/**
 * Tells a run to an MLflow server. Pictures and files go through the server where it offers that
 * ({@code mlflow server --serve-artifacts}, its default); elsewhere they stay in the run's folder.
 */
public final class Mlflow implements Tracker {
  private static final int MOST_PARAMS = 100;
  private static final int MOST_METRICS = 1000;
  private static final int LONGEST_VALUE = 500;
  private static final String PROXY = "mlflow-artifacts:";

  private final String host;
  private final Map<String, String> environment;
  private final Voice voice;
  private final MlflowClient client;
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
  public Mlflow(String uri, Map<String, String> environment, Voice voice) {
    this(uri, environment, voice, Http.TIMEOUT);
  }

  Mlflow(String uri, Map<String, String> environment, Voice voice, Duration timeout) {
    this.host = uri.replaceAll("/+$", "");
    this.environment = environment;
    this.voice = voice;
    this.http = new Http(timeout);
    String token = environment.get("MLFLOW_TRACKING_TOKEN");
    String user = environment.get("MLFLOW_TRACKING_USERNAME");
    String password = environment.get("MLFLOW_TRACKING_PASSWORD");
    this.client =
        new MlflowClient(
            token != null
                ? new BasicMlflowHostCreds(host, token)
                : new BasicMlflowHostCreds(host, user, password));
  }

  @Override
  public String name() {
    return "MLflow";
  }

  @Override
  public void start(RunInfo info) throws IOException {
    if (run == null) {
      String known = info.epoch() == 0 ? null : info.ids().get(name());
      if (known == null) {
        create(info);
      } else {
        opened(call(() -> client.getRun(known).getInfo()));
        String running = "{\"run_id\":\"" + known + "\",\"status\":\"RUNNING\"}";
        call(() -> client.sendPost("runs/update", running));
        described = true;
      }
      info.ids().put(name(), run);
    }
    if (!described) {
      describe(info.parameters());
      described = true;
    }
  }

  private void describe(Map<String, String> parameters) throws IOException {
    List<Param> params = new ArrayList<>();
    parameters.forEach(
        (key, value) ->
            params.add(Param.newBuilder().setKey(key(key)).setValue(shown(value)).build()));
    for (int from = 0; from < params.size(); from += MOST_PARAMS) {
      List<Param> some = params.subList(from, Math.min(params.size(), from + MOST_PARAMS));
      call(() -> done(() -> client.logBatch(run, List.of(), some, List.of())));
    }
  }

  private void create(RunInfo info) throws IOException {
    Optional<Experiment> found = call(() -> client.getExperimentByName(info.project()));
    String experiment =
        found.isPresent()
            ? found.get().getExperimentId()
            : call(() -> client.createExperiment(info.project()));
    CreateRun request =
        CreateRun.newBuilder()
            .setExperimentId(experiment)
            .setRunName(info.name())
            .setStartTime(System.currentTimeMillis())
            .addTags(tag("mlflow.runName", info.name()))
            .addTags(tag("mlflow.source.name", "embeddings-squeeze"))
            .build();
    opened(call(() -> client.createRun(request)));
    voice.say(name() + ": " + host + "/#/experiments/" + experiment + "/runs/" + run);
  }

  private static RunTag tag(String key, String value) {
    return RunTag.newBuilder().setKey(key).setValue(value).build();
  }

  private void opened(org.mlflow.api.proto.Service.RunInfo info) {
    run = info.getRunId();
    String uri = info.getArtifactUri();
    artifacts = uri.startsWith(PROXY) ? uri.replaceFirst("^" + PROXY + "(//[^/]*)?/*", "") : null;
    if (artifacts == null) {
      voice.say(
          name()
              + ": pictures and files stay in the run's folder, since artifacts lie in "
              + uri
              + ", not through the server (mlflow server --serve-artifacts)");
    }
  }

  @Override
  public void log(Step step) throws IOException, InterruptedException {
    List<Metric> metrics = new ArrayList<>();
    step.scalars()
        .forEach(
            (tag, value) ->
                metrics.add(
                    Metric.newBuilder()
                        .setKey(key(tag))
                        .setValue(value)
                        .setTimestamp(step.millis())
                        .setStep(step.epoch())
                        .build()));
    for (int from = 0; from < metrics.size(); from += MOST_METRICS) {
      List<Metric> some = metrics.subList(from, Math.min(metrics.size(), from + MOST_METRICS));
      call(() -> done(() -> client.logBatch(run, some, List.of(), List.of())));
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
    StringBuilder uri = new StringBuilder(host + "/api/2.0/mlflow-artifacts/artifacts");
    for (String part : (artifacts + "/" + path).split("/", -1)) {
      uri.append('/').append(URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20"));
    }
    HttpRequest.Builder request =
        http.request(uri.toString()).header("Content-Type", type).PUT(body);
    authorization().ifPresent(value -> request.header("Authorization", value));
    http.send(request.build());
  }

  private Optional<String> authorization() {
    String token = environment.get("MLFLOW_TRACKING_TOKEN");
    String user = environment.get("MLFLOW_TRACKING_USERNAME");
    if (token != null) {
      return Optional.of("Bearer " + token);
    }
    if (user == null) {
      return Optional.empty();
    }
    String pair = user + ":" + environment.getOrDefault("MLFLOW_TRACKING_PASSWORD", "");
    byte[] bytes = pair.getBytes(StandardCharsets.UTF_8);
    return Optional.of("Basic " + Base64.getEncoder().encodeToString(bytes));
  }

  @Override
  public void finish(Ending ending) throws IOException {
    RunStatus status =
        switch (ending.status()) {
          case COMPLETED -> RunStatus.FINISHED;
          case FAILED -> RunStatus.FAILED;
          case STOPPED -> RunStatus.KILLED;
        };
    if (!ending.message().isEmpty()) {
      call(() -> done(() -> client.setTag(run, "squeeze.ending", shown(ending.message()))));
    }
    call(() -> done(() -> client.setTerminated(run, status, ending.millis())));
  }

  /** The server refuses a whole batch for one character that it does not take in a key. */
  private static String key(String name) {
    return name.replaceAll("[^\\w\\-./ ]", "_");
  }

  private static String shown(String value) {
    return value.length() <= LONGEST_VALUE ? value : value.substring(0, LONGEST_VALUE - 1) + "…";
  }

  private static Object done(Runnable action) {
    action.run();
    return "";
  }

  private <T> T call(Callable<T> call) throws IOException {
    try {
      return call.call();
    } catch (MlflowHttpException e) {
      throw Refusal.of(
          e.getStatusCode(), Http.sentence(host, e.getStatusCode(), e.getBodyMessage()));
    } catch (MlflowClientException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      throw new IOException(host + " does not answer (" + cause.getMessage() + ")", e);
    } catch (IOException | RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
