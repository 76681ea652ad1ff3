package io.squeeze.jobs.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.faults.FaultyFileSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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
    left(like(LockHolder.self(), ended.pid(), 7).json());
    assertThat(work()).isEqualTo("done");
    assertThat(folder.resolve(FolderLock.NAME)).doesNotExist();
  }

  private static LockHolder like(LockHolder holder, long pid, long start) {
    return new LockHolder(holder.host(), holder.boot(), holder.namespace(), pid, start);
  }

  /** Two processes may have one number: after a while, in two namespaces, on two machines. */
  @Test
  void aProcessNumberIsNoProof() throws Exception {
    Process other = new ProcessBuilder("sleep", "60").start();
    try {
      LockHolder self = LockHolder.self();
      // Another process has this number now: the one that took the lock has ended.
      left(like(self, other.pid(), 7).json());
      assertThat(work()).isEqualTo("done");
      long gone = 4_000_000_000L;
      for (LockHolder holder :
          List.of(
              new LockHolder(self.host(), self.boot(), "pid:[1]", gone, 7),
              new LockHolder(self.host(), "another-boot", self.namespace(), gone, 7),
              new LockHolder(self.host(), "", "", gone, -1))) {
        left(holder.json());
        assertThatThrownBy(this::work)
            .as(holder.toString())
            .isInstanceOf(SqueezeException.class)
            .hasMessageContaining("free the folder with: hadoop fs -rm faulty:");
      }
      left("{\"host\" : \"%s\", \"pid\" : %d}".formatted(self.host(), gone)); // 0.1.0
      assertThatThrownBy(this::work).hasMessageContaining("Another run writes to ");
      left("[".repeat(100_000));
      assertThatThrownBy(this::work).hasMessageContaining("Another run writes to ");
    } finally {
      other.destroyForcibly();
    }
  }

  @Test
  void aProcessThatRunsKeepsItsLock() throws Exception {
    Process other = new ProcessBuilder("sleep", "60").start();
    try {
      String stat = Files.readString(Path.of("/proc/" + other.pid() + "/stat"));
      long start = Long.parseLong(stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[19]);
      left(like(LockHolder.self(), other.pid(), start).json());
      assertThatThrownBy(this::work).hasMessageContaining("Another run writes to ");
    } finally {
      other.destroyForcibly().waitFor();
    }
    assertThat(work()).isEqualTo("done");
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
