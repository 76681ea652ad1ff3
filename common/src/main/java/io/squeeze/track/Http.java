package io.squeeze.track;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;

/** Requests to a tracker's server; what is no success is an exception, without any header in it. */
final class Http {
  static final Duration TIMEOUT = Duration.ofSeconds(30);
  private static final int LONGEST = 200;

  private final HttpClient client;
  private final Duration timeout;

  Http(Duration timeout) {
    this.timeout = timeout;
    this.client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(timeout)
            .build();
  }

  HttpRequest.Builder request(String uri) throws Refusal {
    try {
      return HttpRequest.newBuilder(URI.create(uri)).timeout(timeout);
    } catch (IllegalArgumentException e) {
      throw Refusal.ofAll(uri + " is no address of a server");
    }
  }

  /** The body of a success. */
  String send(HttpRequest request) throws IOException, InterruptedException {
    HttpResponse<String> response = answer(request);
    if (response.statusCode() / 100 != 2) {
      throw Refusal.of(
          response.statusCode(),
          sentence(host(request.uri()), response.statusCode(), response.body()));
    }
    return response.body();
  }

  /** Any answer. */
  HttpResponse<String> answer(HttpRequest request) throws IOException, InterruptedException {
    try {
      return client.send(request, BodyHandlers.ofString());
    } catch (IOException e) {
      String reason = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
      throw new IOException(host(request.uri()) + " does not answer (" + reason + ")", e);
    }
  }

  private static String host(URI uri) {
    return uri.getScheme() + "://" + uri.getAuthority();
  }

  static String sentence(String host, int status, String body) {
    String shown = body == null ? "" : shortened(body);
    return host + " answers " + status + (shown.isEmpty() ? "" : ": " + shown);
  }

  /** The first line of a text, or its beginning. */
  static String shortened(String text) {
    String line = text.lines().findFirst().orElse("").strip();
    return line.length() > LONGEST ? line.substring(0, LONGEST) + "…" : line;
  }

  /** A file, opened anew for every try. */
  static BodyPublisher body(Artifact artifact) throws IOException {
    BodyPublisher stream =
        BodyPublishers.ofInputStream(
            () -> {
              try {
                return artifact.open();
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    return BodyPublishers.fromPublisher(stream, Math.max(1, artifact.length()));
  }
}
