package io.squeeze.jobs;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.Backbone;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.dataset.Shapes;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.model.Backbones;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.spark.sql.SparkSession;

/**
 * What extraction costs beyond the backbone's arithmetic: images a second of the whole job, and of
 * the same backbone's forward alone on as many threads, in turns in one JVM. CONTRIBUTING.md has
 * the command.
 */
@SuppressWarnings("SystemOut")
public final class ExtractBenchmark {
  private static final int BATCH = 8;

  private ExtractBenchmark() {}

  public static void main(String[] args) throws Exception {
    String model = args.length > 0 ? args[0] : "vit";
    int images = args.length > 1 ? Integer.parseInt(args[1]) : 480;
    String precision = args.length > 2 ? args[2] : "fp32";
    int threads = Runtime.getRuntime().availableProcessors();
    Path folder = Files.createTempDirectory("extract-benchmark");
    new Shapes(1).write(folder.resolve("shapes"), images);
    try (SparkSession spark = Fixture.local("local[" + threads + "]")) {
      for (int round = 0; round < 4; round++) {
        Settings settings = settings(model, precision, folder, round);
        double alone = forwardAlone(spark, settings, images, threads);
        long began = System.nanoTime();
        new ExtractJob(Fixture.squeeze(spark), settings).run();
        double job = images * 1e9 / (System.nanoTime() - began);
        System.out.printf(
            Locale.ROOT,
            "%s: forward alone %.1f images/s, extract %.1f images/s, ratio %.3f%n",
            round == 0 ? "warm-up" : "round " + round,
            alone,
            job,
            job / alone);
      }
    }
  }

  private static Settings settings(String model, String precision, Path folder, int round) {
    return Settings.defaults()
        .with("model", model)
        .with("backbone.precision", precision)
        .with("data.path", folder.resolve("shapes").toString())
        .with("embeddings", folder.resolve("e" + round).toString())
        .with("extract.batch-size", Integer.toString(BATCH));
  }

  private static double forwardAlone(SparkSession spark, Settings settings, int images, int threads)
      throws Exception {
    Torch.start(1);
    Backbone backbone =
        new Backbones(Sessions.storage(spark), settings, Reporter.standard())
            .ship(spark)
            .load(Device.cpu());
    int batches = images / BATCH / threads;
    List<Thread> running = new ArrayList<>();
    long began = System.nanoTime();
    for (int t = 0; t < threads; t++) {
      Thread thread = new Thread(() -> forward(backbone, batches));
      thread.start();
      running.add(thread);
    }
    for (Thread thread : running) {
      thread.join();
    }
    return (double) batches * threads * BATCH * 1e9 / (System.nanoTime() - began);
  }

  private static void forward(Backbone backbone, int batches) {
    Torch.start(1);
    int side = backbone.preprocessing().size();
    float[] pixels =
        HostTensor.uniform(Seeds.random(1, "pixels"), 2, BATCH, 3, side, side).floats();
    try (NDManager manager = Torch.manager(Device.cpu())) {
      for (int i = 0; i < batches; i++) {
        try (NDManager scope = manager.newSubManager()) {
          NDArray input = Torch.floats(scope, new Shape(BATCH, 3, side, side), b -> b.put(pixels));
          backbone.features(input);
        }
      }
    }
  }
}
