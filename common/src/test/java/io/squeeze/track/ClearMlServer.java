package io.squeeze.track;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/**
 * Answers as ClearML's API server (2.x) and file server do: an envelope with a result code, tokens
 * by Basic authentication, states of a task.
 */
public final class ClearMlServer extends FakeServer {
  private int logins;
  private String state = "created";

  private final List<String> tasks = new ArrayList<>();
  private String project;
  private final String key;
  private final String secret;

  public ClearMlServer(String key, String secret) throws IOException {
    this.key = key;
    this.secret = secret;
  }

  /** As if another run had made it. */
  synchronized void hasProject(String name) {
    project = name;
  }

  /** As if an earlier process had made it. */
  synchronized void hasTask(String id) {
    tasks.add(id);
  }

  /** What the task's state is by now. */
  public synchronized String state() {
    return state;
  }

  /** Paths that were asked for, in order. */
  public List<String> asked() {
    return requests.stream().map(Request::path).toList();
  }

  static Answer envelope(int code, int subcode, String message, String data) {
    return new Answer(
        code,
        "{\"meta\":{\"result_code\":%d,\"result_subcode\":%d,\"result_msg\":\"%s\"},\"data\":%s}"
            .formatted(code, subcode, message, data));
  }

  @Override
  protected synchronized Answer answer(Request request) {
    if (request.path().equals("/auth.login")) {
      String pair = key + ":" + secret;
      String expected =
          "Basic " + Base64.getEncoder().encodeToString(pair.getBytes(StandardCharsets.UTF_8));
      return expected.equals(request.authorization())
          ? envelope(200, 0, "OK", "{\"token\":\"token-" + ++logins + "\"}")
          : envelope(401, 22, "Unauthorized (invalid credentials)", "{}");
    }
    if (!("Bearer token-" + logins).equals(request.authorization())) {
      return envelope(401, 30, "Unauthorized (invalid token)", "{}");
    }
    return switch (request.path()) {
      case "/projects.get_all" -> projects(request);
      case "/projects.create" -> created(request);
      case "/tasks.create" -> task();
      case "/tasks.get_all" -> tasks(request);
      case "/tasks.started" -> moved("in_progress");
      case "/tasks.completed" -> moved("completed");
      case "/tasks.failed" -> moved("failed");
      case "/tasks.stopped" -> moved("stopped");
      case "/tasks.add_or_update_artifacts" -> envelope(200, 0, "OK", "{\"updated\":1}");
      case "/events.add_batch" -> events(request);
      case "/" -> new Answer(200, "[\"stored\"]");
      default -> envelope(404, 0, "no such endpoint", "{}");
    };
  }

  private Answer projects(Request request) {
    String pattern = request.json().path("name").asText();
    boolean there = project != null && java.util.regex.Pattern.matches(pattern, project);
    return envelope(200, 0, "OK", "{\"projects\":[" + (there ? "{\"id\":\"p1\"}" : "") + "]}");
  }

  private Answer created(Request request) {
    String asked = request.json().path("name").asText();
    if (asked.equals(project)) {
      return envelope(400, 801, "Value combination already exists", "{}");
    }
    project = asked;
    return envelope(200, 0, "OK", "{\"id\":\"p1\"}");
  }

  private Answer task() {
    tasks.add("t" + (tasks.size() + 1));
    return envelope(200, 0, "OK", "{\"id\":\"t" + tasks.size() + "\"}");
  }

  private Answer tasks(Request request) {
    String asked = request.json().at("/id/0").asText();
    String found = tasks.contains(asked) ? "{\"id\":\"" + asked + "\"}" : "";
    return envelope(200, 0, "OK", "{\"tasks\":[" + found + "]}");
  }

  private Answer moved(String next) {
    state = next;
    return envelope(200, 0, "OK", "{\"updated\":1}");
  }

  private static Answer events(Request request) {
    if (!"application/json-lines".equals(request.type())) {
      return envelope(415, 0, "Unsupported media type", "{}");
    }
    long lines = request.text().lines().count();
    return lines == 0
        ? envelope(400, 17, "Empty batch", "{}")
        : envelope(200, 0, "OK", "{\"added\":" + lines + ",\"errors\":0,\"errors_info\":{}}");
  }
}
