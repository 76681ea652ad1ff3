package io.squeeze.jobs.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.faults.FaultyFileSystem;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FolderLockTest {
  private final HadoopStorage storage = FaultyFileSystem.storage();

  @TempDir Path folder;

  private String work() throws IOException {
    return FolderLock.holding(storage, FaultyFileSystem.SCHEME + ":" + folder, () -> "done");
  }

  private void left(String text) throws IOException {
    Files.writeString(folder.resolve(FolderLock.NAME), text);
  }

  @Test
  void theLockOfAProcessThatHasEndedIsTakenOver() throws Exception {
    Process ended = new ProcessBuilder("true").start();
    ended.waitFor();
    String host = InetAddress.getLocalHost().getHostName();
    left("{\"host\" : \"%s\", \"pid\" : %d}".formatted(host, ended.pid()));
    assertThat(work()).isEqualTo("done");
    assertThat(folder.resolve(FolderLock.NAME)).doesNotExist();
  }

  @Test
  void aLockThatNamesNobodyIsTakenOverAfterAWhile() throws IOException {
    left("");
    assertThat(work()).isEqualTo("done");
  }

  @Test
  void theLockOfAnotherMachineStays() throws IOException {
    left("{\"host\" : \"elsewhere\", \"pid\" : 1}");
    assertThatThrownBy(this::work)
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("Another run writes to ")
        .hasMessageContaining("elsewhere")
        .hasMessageContaining("if it has ended");
    assertThat(folder.resolve(FolderLock.NAME)).exists();
  }

  @RepeatedTest(20)
  void ofManyThatAskAtATimeOneWorksAtATime() throws Exception {
    CountDownLatch together = new CountDownLatch(8);
    int[] inside = {0};
    Callable<Boolean> ask =
        () -> {
          together.countDown();
          together.await();
          try {
            return FolderLock.holding(
                storage,
                FaultyFileSystem.SCHEME + ":" + folder,
                () -> {
                  boolean alone;
                  synchronized (inside) {
                    alone = inside[0]++ == 0;
                  }
                  Thread.onSpinWait();
                  synchronized (inside) {
                    inside[0]--;
                  }
                  return alone;
                });
          } catch (SqueezeException e) {
            return true; // refused, which is well
          }
        };
    ExecutorService threads = Executors.newFixedThreadPool(8);
    try {
      for (Future<Boolean> one : threads.invokeAll(java.util.Collections.nCopies(8, ask))) {
        assertThat(one.get()).isTrue();
      }
    } finally {
      threads.shutdownNow();
    }
  }
}
