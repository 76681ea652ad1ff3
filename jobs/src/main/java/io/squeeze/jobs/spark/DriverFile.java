package io.squeeze.jobs.spark;

import java.io.IOException;
import java.io.Serializable;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.SparkEnv;
import org.apache.spark.SparkFiles;

/**
 * A file of the driver that any task can read. Spark 4 shows a file that was added to its context
 * only to jobs of RDDs: a job of a Dataset sees those of its session. So executors ask the driver's
 * file server themselves.
 *
 * @param uri where the driver serves it
 * @param name unique, on an executor
 */
public record DriverFile(String uri, String name) implements Serializable {
  /** By application and name: the server takes a name once. */
  private static final Map<String, DriverFile> SERVED = new HashMap<>();

  /**
   * Serves a file.
   *
   * @param name unique for its content
   */
  public static synchronized DriverFile serve(Path file, String name) throws IOException {
    String key = SparkEnv.get().conf().getAppId() + "/" + name;
    DriverFile known = SERVED.get(key);
    if (known != null) {
      return known;
    }
    Path folder = Files.createTempDirectory("served-");
    Path named = folder.resolve(name);
    // The server knows a file by its name, and users have many called model.pt.
    Files.createSymbolicLink(named, file.toAbsolutePath());
    named.toFile().deleteOnExit();
    return new DriverFile(SparkEnv.get().rpcEnv().fileServer().addFile(named.toFile()), name);
  }

  /** The file on this machine, fetched by the first task that asks. */
  public Path local() throws IOException {
    Path target = Path.of(SparkFiles.getRootDirectory()).resolve(name);
    synchronized (DriverFile.class) {
      if (!Files.exists(target)) {
        Path part = Files.createTempFile(target.getParent(), name, ".part");
        try {
          try (ReadableByteChannel in = SparkEnv.get().rpcEnv().openChannel(uri)) {
            Files.copy(Channels.newInputStream(in), part, StandardCopyOption.REPLACE_EXISTING);
          }
          Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
        } finally {
          Files.deleteIfExists(part);
        }
      }
    }
    return target;
  }
}
