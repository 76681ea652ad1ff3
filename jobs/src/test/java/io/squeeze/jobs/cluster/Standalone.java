package io.squeeze.jobs.cluster;

import io.squeeze.jobs.Submit;
import io.squeeze.jobs.spark.SparkBuild;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Spark's own cluster on loopback, from the jars that the build laid out: a master and two workers,
 * each a process, with a GPU each that is not there.
 */
public final class Standalone implements AutoCloseable {
  /** Options that only a newer JDK knows are no error. */
  private static final String LENIENT = "-XX:+IgnoreUnrecognizedVMOptions";

  private static final String HOST = "127.0.0.1";
  private static final Path SPARK_HOME = Path.of("target/spark-home").toAbsolutePath();

  private final Path folder;
  private final List<Process> processes = new ArrayList<>();
  private final String master;
  private final Path gpus;

  Standalone(Path folder) throws Exception {
    this.folder = folder;
    this.gpus = folder.resolve("gpu-discovery");
    Files.writeString(gpus, "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [\"0\"]}'\n");
    Files.setPosixFilePermissions(gpus, PosixFilePermissions.fromString("rwxr-xr-x"));
    int port = freePort();
    master = "spark://" + HOST + ":" + port;
    Path log =
        start(
            "org.apache.spark.deploy.master.Master",
            List.of("--host", HOST, "--port", Integer.toString(port), "--webui-port", "0"));
    await(log, "I have been elected leader", 1);
    for (int i = 0; i < 2; i++) {
      List<String> args = new ArrayList<>(List.of("--host", HOST, "--webui-port", "0"));
      args.addAll(List.of("--cores", "2", "--memory", "4g"));
      args.addAll(List.of("--work-dir", folder.resolve("work-" + i).toString(), master));
      await(start("org.apache.spark.deploy.worker.Worker", args), "Successfully registered", 1);
    }
  }

  static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private Path start(String main, List<String> args) throws IOException {
    List<String> command = new ArrayList<>(spark());
    command.add("-Xmx256m");
    command.add("-Dspark.worker.resource.gpu.amount=1");
    command.add("-Dspark.worker.resource.gpu.discoveryScript=" + gpus);
    command.add(main);
    command.addAll(args);
    Path log = folder.resolve(processes.size() + ".log");
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.redirectOutput(log.toFile()).directory(folder.toFile());
    builder
        .environment()
        .putAll(
            Map.of(
                "SPARK_HOME",
                SPARK_HOME.toString(),
                "SPARK_SCALA_VERSION",
                SparkBuild.read().scala(),
                "SPARK_LOCAL_IP",
                HOST));
    processes.add(builder.start());
    return log;
  }

  /** Java with the Spark that the build laid out; options and a main class may follow. */
  static List<String> spark() {
    List<String> command = new ArrayList<>(List.of(Submit.java(), "-cp", SPARK_HOME + "/jars/*"));
    // What this JVM was given to open its modules for Spark.
    java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(argument -> argument.startsWith("--") || argument.equals(LENIENT))
        .forEach(command::add);
    return command;
  }

  private static void await(Path log, String text, int times) throws Exception {
    long until = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (Files.readString(log).split(java.util.regex.Pattern.quote(text), -1).length <= times) {
      if (System.nanoTime() > until) {
        throw new IllegalStateException("Never read '" + text + "' in " + Files.readString(log));
      }
      Thread.sleep(100);
    }
  }

  /** Options of spark-submit for executors of one core and one GPU each. */
  List<String> options() {
    return List.of(
        "--master",
        master,
        "--conf",
        "spark.executor.memory=1g",
        "--conf",
        "spark.executor.cores=1",
        "--conf",
        "spark.cores.max=2",
        "--conf",
        "spark.executor.resource.gpu.amount=1",
        "--conf",
        "spark.executor.resource.gpu.discoveryScript=" + gpus,
        "--conf",
        "spark.task.resource.gpu.amount=1");
  }

  /** Whether a process is an executor; its command is longer than a handle tells. */
  public static boolean isExecutor(ProcessHandle handle) {
    try {
      return Files.readString(Path.of("/proc/" + handle.pid() + "/cmdline"))
          .contains("CoarseGrainedExecutorBackend");
    } catch (IOException e) {
      return false; // it has ended
    }
  }

  /** What the last lines of all logs say, for a failure's message. */
  String logs() {
    StringBuilder all = new StringBuilder();
    for (int i = 0; i < processes.size(); i++) {
      try {
        all.append(Files.readString(folder.resolve(i + ".log")));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return all.toString();
  }

  @Override
  public void close() {
    for (Process process : processes) {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
  }
}
