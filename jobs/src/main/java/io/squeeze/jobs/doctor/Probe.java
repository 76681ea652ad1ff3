package io.squeeze.jobs.doctor;

import ai.djl.Device;
import ai.djl.engine.Engine;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.jpeg.TurboJpeg;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import io.squeeze.torch.Torch;
import java.io.File;
import java.io.IOException;
import java.io.Serializable;
import java.net.InetAddress;
import java.util.Arrays;
import java.util.UUID;
import org.apache.spark.SparkEnv;
import org.apache.spark.package$;

/**
 * What a process found out about itself; nothing of it is a reason to fail yet.
 *
 * @param millis its clock, when it began
 * @param torch version of libtorch; null where it cannot be loaded
 * @param torchSeconds that loading took: less than 0.1 where it was loaded before
 * @param device that a task here computes on
 * @param problem why libtorch or the device cannot be used; null where they can
 * @param jpeg what decodes JPEG here; null for the decoder in Java
 * @param written null where the output path took a file; else why it did not
 */
record Probe(
    String executor,
    String host,
    long millis,
    String java,
    String spark,
    String charset,
    long heap,
    int processors,
    long temporary,
    String torch,
    double torchSeconds,
    int gpus,
    String device,
    String problem,
    String jpeg,
    String written)
    implements Serializable {

  /**
   * Of this process.
   *
   * @param output where a file is written and deleted again; null for nowhere
   */
  static Probe here(String executor, HadoopStorage storage, String output) throws IOException {
    long millis = System.currentTimeMillis();
    String torch = null;
    String device = null;
    String problem = null;
    int gpus = 0;
    long began = System.nanoTime();
    double seconds = 0;
    try {
      Device own = Tasks.start();
      seconds = (System.nanoTime() - began) / 1e9;
      torch = Engine.getEngine("PyTorch").getVersion();
      gpus = Torch.gpus();
      device = own.toString();
    } catch (SqueezeException e) {
      problem = e.getMessage();
    }
    return new Probe(
        executor,
        InetAddress.getLocalHost().getHostName(),
        millis,
        System.getProperty("java.version"),
        package$.MODULE$.SPARK_VERSION(),
        System.getProperty("sun.jnu.encoding"),
        Runtime.getRuntime().maxMemory(),
        Runtime.getRuntime().availableProcessors(),
        shuffles(),
        torch,
        seconds,
        gpus,
        device,
        problem,
        TurboJpeg.name(),
        output == null ? null : written(storage, output));
  }

  /** Writes, replaces, moves and deletes as publishing does; null where that works. */
  private static String written(HadoopStorage storage, String output) {
    String folder = Storage.join(output, "_doctor." + UUID.randomUUID());
    try {
      String file = Storage.join(folder, "unfinished/file");
      storage.replace(file, "one");
      storage.replace(file, "two");
      storage.move(Storage.join(folder, "unfinished"), Storage.join(folder, "published"));
      String found = storage.text(Storage.join(folder, "published/file"));
      return found.equals("two") ? null : "a file reads back as it was before it was replaced";
    } catch (IOException | RuntimeException e) {
      return String.valueOf(e.getMessage()).lines().findFirst().orElse(e.toString());
    } finally {
      deleted(storage, folder);
    }
  }

  private static void deleted(HadoopStorage storage, String folder) {
    try {
      storage.delete(folder);
    } catch (IOException | RuntimeException e) {
      // What could not be written need not go.
    }
  }

  /** Free bytes of the fullest of the disks that Spark shuffles on. */
  private static long shuffles() {
    File[] folders = SparkEnv.get().blockManager().diskBlockManager().localDirs();
    return Arrays.stream(folders).mapToLong(File::getUsableSpace).min().orElse(0);
  }
}
