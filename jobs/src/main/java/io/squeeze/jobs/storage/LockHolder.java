package io.squeeze.jobs.storage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;

/**
 * A process, told apart from every other that had or will have its number: another machine of the
 * same name, another boot, another PID namespace, a later process.
 *
 * @param host for people; two machines may have the same
 * @param boot the kernel's id of this boot; empty where there is none
 * @param namespace of process numbers
 * @param start when the process started, in ticks since the boot
 */
record LockHolder(String host, String boot, String namespace, long pid, long start) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path PROC = Path.of("/proc");
  private static final long NONE = -1;
  private static final long HIDDEN = -2;

  /** Place of the start time behind the name of the program in /proc/PID/stat (proc(5)). */
  private static final int START = 20;

  /** This process. */
  static LockHolder self() {
    long pid = ProcessHandle.current().pid();
    return new LockHolder(
        read(PROC.resolve("sys/kernel/hostname")),
        read(PROC.resolve("sys/kernel/random/boot_id")),
        namespaceOf(PROC.resolve("self/ns/pid")),
        pid,
        startOf(pid));
  }

  /** The holder that a lock names; what it leaves out is unknown. */
  static LockHolder of(JsonNode lock) {
    return new LockHolder(
        lock.path("host").asText(),
        lock.path("boot").asText(),
        lock.path("pid_namespace").asText(),
        lock.path("pid").asLong(NONE),
        lock.path("start").asLong(NONE));
  }

  /** The text of a lock. */
  String json() {
    ObjectNode lock = JSON.createObjectNode();
    lock.put("host", host).put("pid", pid).put("since", Instant.now().toString());
    return lock.put("boot", boot).put("pid_namespace", namespace).put("start", start).toString();
  }

  /** Whether it is proven that the process has ended. False if it runs, or nobody can tell. */
  boolean hasEnded() {
    LockHolder self = self();
    if (boot.isEmpty() || !boot.equals(self.boot) || !namespace.equals(self.namespace)) {
      return false;
    }
    if (pid == self.pid) {
      return true; // this process knows its own locks: it is an earlier one
    }
    long now = startOf(pid);
    // Where /proc hides the processes of others, it hides the first one, too.
    return now == NONE ? startOf(1) >= 0 : now != HIDDEN && now != start;
  }

  private static String read(Path file) {
    try {
      return Files.readString(file).strip();
    } catch (IOException e) {
      return "";
    }
  }

  private static String namespaceOf(Path link) {
    try {
      return Files.readSymbolicLink(link).toString();
    } catch (IOException | UnsupportedOperationException e) {
      return "";
    }
  }

  private static long startOf(long pid) {
    try {
      String stat = Files.readString(PROC.resolve(pid + "/stat"));
      return Long.parseLong(stat.substring(stat.lastIndexOf(')') + 1).split(" ", -1)[START]);
    } catch (NoSuchFileException e) {
      return NONE;
    } catch (IOException | RuntimeException e) {
      return HIDDEN;
    }
  }
}
