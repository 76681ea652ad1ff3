package io.squeeze.track;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Servers that answer without end. */
@Timeout(60)
class HttpTest {

  private interface Answer {
    void write(OutputStream out) throws Exception;
  }

  private static void ask(Answer answer, String expected) throws Exception {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    var threads = Executors.newCachedThreadPool();
    server.setExecutor(threads);
    server.createContext(
        "/",
        exchange -> {
          exchange.sendResponseHeaders(200, 0);
          try (OutputStream out = exchange.getResponseBody()) {
            answer.write(out);
          } catch (IOException e) {
            throw e; // the client has gone
          } catch (Exception e) {
            Thread.currentThread().interrupt();
          }
        });
    server.start();
    try {
      Http http = new Http(Duration.ofSeconds(1));
      String uri = "http://127.0.0.1:" + server.getAddress().getPort() + "/";
      assertThatThrownBy(() -> http.send(http.request(uri).build()))
          .isInstanceOf(IOException.class)
          .hasMessageContaining(expected);
    } finally {
      server.stop(0);
      threads.shutdownNow();
    }
  }

  @Test
  void anAnswerWithoutEndIsNotReadToItsEnd() throws Exception {
    AtomicLong sent = new AtomicLong();
    byte[] part = new byte[1 << 16];
    ask(
        out -> {
          for (int i = 0; i < 100_000; i++) {
            out.write(part);
            sent.addAndGet(part.length);
          }
        },
        "its answer is longer than 4 MiB");
    assertThat(sent.get()).isLessThan(64L << 20);
  }

  @Test
  void anAnswerThatDripsHasADeadline() throws Exception {
    ask(
        out -> {
          for (int i = 0; i < 30; i++) {
            out.write('{');
            out.flush();
            Thread.sleep(500);
          }
        },
        "does not answer (not within 2 s)");
  }
}
