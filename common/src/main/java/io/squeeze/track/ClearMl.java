package io.squeeze.track;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Reports a run to a ClearML server as a task of type training, by its REST API. Scalars and plots
 * may be sent twice, because the server identifies them by task, title, series and epoch.
 */
public final class ClearMl implements Tracker {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int UNAUTHORIZED = 401;

  /** Events of one request: the server's own bulk. */
  private static final int BULK = 500;

  private final ClearMlCredentials credentials;
  private final UserMessages voice;
  private final Http http;
  private String token;
  private String task;
  private String folder;

  public ClearMl(ClearMlCredentials credentials, UserMessages voice) {
    this(credentials, voice, Http.TIMEOUT);
  }

  ClearMl(ClearMlCredentials credentials, UserMessages voice, Duration timeout) {
    this.credentials = credentials;
    this.voice = voice;
    this.http = new Http(timeout);
  }

  @Override
  public String name() {
    return "ClearML at " + credentials.api();
  }

  @Override
  public void start(RunInfo run) throws IOException, InterruptedException {
    if (task == null && !(run.epoch() > 0 && known(run))) {
      create(run);
    }
    run.ids().put(name(), task);
    call("tasks.started", JSON.createObjectNode().put("task", task).put("force", true));
  }

  @Override
  public void attach(RunInfo run) throws IOException, InterruptedException {
    if (!known(run)) {
      throw Refusal.ofAll("does not know this run: train with --use_clearml");
    }
  }

  /** Whether the task that an earlier process began is there. */
  private boolean known(RunInfo run) throws IOException, InterruptedException {
    String id = run.ids().get(name());
    if (id == null) {
      return false;
    }
    ObjectNode wanted = JSON.createObjectNode();
    wanted.putArray("id").add(id);
    wanted.putArray("only_fields").add("id");
    if (call("tasks.get_all", wanted).path("tasks").isEmpty()) {
      return false;
    }
    opened(run, id);
    return true;
  }

  private void opened(RunInfo run, String id) {
    task = id;
    folder = run.project() + "/" + run.name() + "." + id;
  }

  private void create(RunInfo run) throws IOException, InterruptedException {
    String project = project(run.project());
    ObjectNode made = JSON.createObjectNode();
    made.put("name", run.name()).put("type", "training").put("project", project);
    ObjectNode section = made.putObject("hyperparams").putObject("squeeze");
    run.parameters()
        .forEach(
            (key, value) ->
                section
                    .putObject(key)
                    .put("section", "squeeze")
                    .put("name", key)
                    .put("value", value));
    opened(run, call("tasks.create", made).path("id").asText());
    voice.say(
        credentials.web() == null
            ? name() + ": task " + task
            : name() + ": " + credentials.web() + "/projects/" + project + "/experiments/" + task);
    if (credentials.files() == null) {
      voice.say(
          name()
              + ": pictures and files stay in the run's folder: files_host (CLEARML_FILES_HOST) is"
              + " not set");
    }
  }

  /** The project's id; there is no call that gets or creates. */
  private String project(String name) throws IOException, InterruptedException {
    String found = found(name);
    if (found != null) {
      return found;
    }
    try {
      ObjectNode made = JSON.createObjectNode().put("name", name).put("description", "");
      return call("projects.create", made).path("id").asText();
    } catch (Refusal e) {
      // Another run was faster.
      String other = e.lasting() ? null : found(name);
      if (other == null) {
        throw e;
      }
      return other;
    }
  }

  /** Null where there is none. */
  private String found(String name) throws IOException, InterruptedException {
    ObjectNode wanted = JSON.createObjectNode();
    // The name is a regular expression there.
    wanted.put("name", "^" + name.replaceAll("([^\\w])", "\\\\$1") + "$");
    wanted.putArray("only_fields").add("id");
    return call("projects.get_all", wanted).path("projects").path(0).path("id").textValue();
  }

  @Override
  public void log(EpochReport step) throws IOException, InterruptedException {
    List<ObjectNode> events = new ArrayList<>();
    step.scalars()
        .forEach(
            (tag, value) -> {
              // JSON knows neither NaN nor infinity.
              if (Double.isFinite(value)) {
                events.add(event("training_stats_scalar", tag, step).put("value", value));
              }
            });
    step.histograms()
        .forEach(
            (tag, histogram) ->
                events.add(event("plot", tag, step).put("plot_str", plot(histogram))));
    send(events);
    if (credentials.files() != null) {
      send(pictures(step));
    }
  }

  private List<ObjectNode> pictures(EpochReport step) throws IOException, InterruptedException {
    List<ObjectNode> events = new ArrayList<>();
    for (Map.Entry<String, byte[]> picture : step.pictures().entrySet()) {
      String path = folder + "/pictures/" + picture.getKey() + "_" + step.epoch() + ".png";
      String url = upload(path, "image/png", BodyPublishers.ofByteArray(picture.getValue()));
      events.add(
          event("training_debug_image", picture.getKey(), step).put("key", path).put("url", url));
    }
    return events;
  }

  /** What stands before the first slash is the title, what follows the series. */
  private ObjectNode event(String type, String tag, EpochReport step) {
    int slash = tag.indexOf('/');
    return JSON.createObjectNode()
        .put("type", type)
        .put("task", task)
        .put("iter", step.epoch())
        .put("timestamp", step.millis())
        .put("metric", slash < 0 ? "metrics" : tag.substring(0, slash))
        .put("variant", tag.substring(slash + 1));
  }

  /** Bars in Plotly's JSON. */
  private static String plot(Histogram histogram) {
    ObjectNode bars = JSON.createObjectNode().put("type", "bar");
    ArrayNode x = bars.putArray("x");
    ArrayNode y = bars.putArray("y");
    double left = histogram.min();
    for (int i = 0; i < histogram.limits().length; i++) {
      x.add((left + histogram.limits()[i]) / 2);
      y.add(histogram.counts()[i]);
      left = histogram.limits()[i];
    }
    ObjectNode figure = JSON.createObjectNode();
    figure.putArray("data").add(bars);
    figure.putObject("layout").put("bargap", 0);
    return figure.toString();
  }

  private void send(List<ObjectNode> events) throws IOException, InterruptedException {
    for (int from = 0; from < events.size(); from += BULK) {
      bulk(events.subList(from, Math.min(events.size(), from + BULK)));
    }
  }

  private void bulk(List<ObjectNode> events) throws IOException, InterruptedException {
    StringBuilder lines = new StringBuilder();
    events.forEach(event -> lines.append(event).append('\n'));
    JsonNode reply = call("events.add_batch", "application/json-lines", lines.toString());
    if (reply.path("errors").asInt() > 0) {
      throw Refusal.ofThis(
          "takes %s of %s events: %s"
              .formatted(
                  reply.path("added").asInt(),
                  events.size(),
                  Http.shortened(reply.path("errors_info").toString())));
    }
  }

  @Override
  public void keep(Artifact artifact) throws IOException, InterruptedException {
    if (credentials.files() == null) {
      return;
    }
    String path = folder + "/artifacts/" + artifact.name();
    String url = upload(path, artifact.contentType(), Http.body(artifact));
    ObjectNode request = JSON.createObjectNode().put("task", task).put("force", true);
    request
        .putArray("artifacts")
        .addObject()
        .put("key", artifact.name())
        .put("type", "custom")
        .put("mode", "output")
        .put("uri", url)
        .put("content_size", artifact.length())
        .put("timestamp", System.currentTimeMillis() / 1000)
        .putObject("type_data")
        .put("content_type", artifact.contentType());
    call("tasks.add_or_update_artifacts", request);
  }

  /** Stores a file on the file server, whose part's name is its path; its address. */
  private String upload(String path, String type, BodyPublisher content)
      throws IOException, InterruptedException {
    String boundary = UUID.randomUUID().toString();
    String head =
        ("--%s\r\nContent-Disposition: form-data; name=\"%s\"; "
                + "filename=\"%s\"\r\nContent-Type: %s\r\n\r\n")
            .formatted(
                boundary, quoted(path), quoted(path.substring(path.lastIndexOf('/') + 1)), type);
    String tail = "\r\n--" + boundary + "--\r\n";
    BodyPublisher form =
        BodyPublishers.concat(
            BodyPublishers.ofString(head), content, BodyPublishers.ofString(tail));
    try {
      authorized(credentials.files() + "/", "multipart/form-data; boundary=" + boundary, form);
    } catch (Refusal e) {
      // Of files alone: numbers and status may pass.
      throw e.once();
    }
    return credentials.files() + "/" + Http.escaped(path);
  }

  private static String quoted(String text) {
    return text.replace("\"", "%22").replaceAll("[\r\n]", " ");
  }

  @Override
  public void finish(Ending ending) throws IOException, InterruptedException {
    String action =
        switch (ending.status()) {
          case COMPLETED -> "tasks.completed";
          case FAILED -> "tasks.failed";
          case STOPPED -> "tasks.stopped";
        };
    call(
        action,
        JSON.createObjectNode()
            .put("task", task)
            .put("force", true)
            .put("status_message", ending.message()));
  }

  private JsonNode call(String action, ObjectNode request)
      throws IOException, InterruptedException {
    return call(action, "application/json", request.toString());
  }

  /** The reply's data. */
  private JsonNode call(String action, String type, String body)
      throws IOException, InterruptedException {
    String reply =
        authorized(
            credentials.api() + "/" + action,
            type,
            BodyPublishers.ofString(body, StandardCharsets.UTF_8));
    return data(reply);
  }

  private JsonNode data(String reply) throws IOException {
    try {
      JsonNode data = JSON.readTree(reply).path("data");
      if (!data.isMissingNode()) {
        return data;
      }
    } catch (JsonProcessingException e) {
      // Said below.
    }
    throw Refusal.ofAll("does not answer like a ClearML server");
  }

  /** With a token that is renewed once where it is refused. */
  private String authorized(String uri, String type, BodyPublisher body)
      throws IOException, InterruptedException {
    boolean fresh = token == null;
    if (fresh) {
      login();
    }
    HttpResponse<String> response = post(uri, type, body);
    if (response.statusCode() == UNAUTHORIZED && !fresh) {
      login();
      response = post(uri, type, body);
    }
    return Http.success(response, ClearMl::said);
  }

  private HttpResponse<String> post(String uri, String type, BodyPublisher body)
      throws IOException, InterruptedException {
    return http.answer(
        http.request(uri)
            .header("Authorization", "Bearer " + token)
            .header("Content-Type", type)
            .POST(body)
            .build());
  }

  private void login() throws IOException, InterruptedException {
    HttpResponse<String> response =
        http.answer(
            http.request(credentials.api() + "/auth.login")
                .header("Authorization", Http.basic(credentials.key(), credentials.secret()))
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString("{}"))
                .build());
    if (response.statusCode() == UNAUTHORIZED) {
      throw Refusal.ofAll("refuses the credentials");
    }
    token = data(Http.success(response, ClearMl::said)).path("token").asText();
  }

  /** The message in a reply's envelope, or the reply. */
  private static String said(String reply) {
    try {
      return JSON.readTree(reply).path("meta").path("result_msg").asText(reply);
    } catch (JsonProcessingException e) {
      return reply;
    }
  }
}
