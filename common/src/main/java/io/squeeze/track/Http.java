package io.squeeze.track;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/**
 * Sends requests to a tracker's server. An answer that is no success becomes an exception. The
 * exception holds no header.
 */
final class Http {
  static final Duration TIMEOUT = Duration.ofSeconds(15);
  private static final int LONGEST = 200;

  /** No answer that we need is longer. */
  private static final int MOST_BYTES = 4 << 20;

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
    return success(answer(request), body -> body);
  }

  /**
   * The body of an answer.
   *
   * @param said takes the reason of a failure from a body
   * @throws IOException or {@link Refusal} if the answer is no success
   */
  static String success(HttpResponse<String> response, UnaryOperator<String> said)
      throws IOException {
    int status = response.statusCode();
    if (status / 100 != 2) {
      String reason = shortened(said.apply(response.body()));
      throw Refusal.of(status, "answers " + status + (reason.isEmpty() ? "" : ": " + reason));
    }
    return response.body();
  }

  /** The header of basic authentication. */
  static String basic(String user, String password) {
    byte[] pair = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
    return "Basic " + Base64.getEncoder().encodeToString(pair);
  }

  /** Any answer that is not too long and whole in time. */
  HttpResponse<String> answer(HttpRequest request) throws IOException, InterruptedException {
    CompletableFuture<HttpResponse<String>> exchange =
        client.sendAsync(request, head -> new BoundedBody(MOST_BYTES));
    // The client's own limit ends with the first byte of the answer.
    Duration whole = timeout.multipliedBy(2);
    try {
      return exchange.get(whole.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new IOException("does not answer (not within " + whole.toSeconds() + " s)", e);
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      if (!(cause instanceof IOException)) {
        throw new IOException("cannot be asked (" + cause + ")", e);
      }
      String reason =
          cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
      throw new IOException("does not answer (" + reason + ")", e);
    } finally {
      exchange.cancel(true);
    }
  }

  /** The first line of a text, or its beginning. */
  static String shortened(String text) {
    String line = text.lines().findFirst().orElse("").strip();
    return line.length() > LONGEST ? line.substring(0, LONGEST) + "…" : line;
  }

  /** A path as it stands in an address. */
  static String escaped(String path) {
    return Arrays.stream(path.split("/", -1))
        .map(part -> URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20"))
        .collect(Collectors.joining("/"));
  }

  /**
   * A file, opened anew for every try.
   *
   * @throws Refusal of this file if there is none any more
   */
  static BodyPublisher body(Artifact artifact) throws IOException {
    try {
      long length = artifact.length();
      if (length == 0) {
        return BodyPublishers.noBody();
      }
      return BodyPublishers.fromPublisher(
          BodyPublishers.ofInputStream(() -> opened(artifact)), length);
    } catch (FileNotFoundException | NoSuchFileException e) {
      throw Refusal.ofThis("there is no " + artifact.path() + " any more");
    }
  }

  private static InputStream opened(Artifact artifact) {
    try {
      return artifact.open();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
