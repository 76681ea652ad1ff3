package io.squeeze.quantize;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.squeeze.config.Seeds;
import io.squeeze.config.Settings;
import io.squeeze.torch.GradientScope;
import io.squeeze.torch.NativeKernels;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.weights.HostTensor;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** What assigning and training cost on two threads. CONTRIBUTING.md has the command. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class QuantizerBenchmark {
  private static NDArray normal(NDManager manager, String purpose, int rows, int width) {
    float[] values = HostTensor.normal(Seeds.random(1, purpose), 1, rows, width).floats();
    return Torch.floats(manager, new Shape(rows, width), b -> b.put(values));
  }

  /** A DeepLab grid against a codebook. */
  @State(Scope.Thread)
  public static class Search {
    @Param({"512", "16384"})
    int codes;

    private NDManager manager;
    private NDArray z;
    private NDArray codebook;
    private NDArray turned;
    private NDArray halfNorms;

    @Setup
    public void fill() {
      Torch.start(2);
      manager = Torch.manager(Device.cpu());
      z = normal(manager, "z", 3136, 64);
      codebook = normal(manager, "codebook", codes, 64);
      turned = codebook.transpose();
      halfNorms = codebook.square().sum(new int[] {1}).mul(0.5f);
    }

    @TearDown
    public void close() {
      manager.close();
    }
  }

  @Benchmark
  public long nearest(Search s) {
    try (NDArray found = NativeKernels.nearest(s.z, s.codebook)) {
      return found.getShape().get(0);
    }
  }

  /** The same distances as one product of matrices and its least. */
  @Benchmark
  public long plainProductAndLeast(Search s) {
    try (NDArray product = s.z.matMul(s.turned);
        NDArray distance = s.halfNorms.sub(product);
        NDArray found = distance.argMin(1)) {
      return found.getShape().get(0);
    }
  }

  /** A batch of four ViT grids through a whole quantizer. */
  @State(Scope.Thread)
  public static class Training {
    @Param({"vq", "fsq", "lfq", "rvq", "pq"})
    String type;

    private NDManager manager;
    private Quantizer quantizer;
    private Parameters parameters;
    private NDArray vectors;

    @Setup
    public void fill() {
      Torch.start(2);
      manager = Torch.manager(Device.cpu());
      quantizer = Quantizer.of(Settings.defaults().with("quantizer.type", type).quantizer(), 768);
      parameters = new Parameters(manager, quantizer.initial(1));
      parameters.train(quantizer.trained());
      vectors = normal(manager, "vectors", 196, 768);
    }

    @TearDown
    public void close() {
      parameters.close();
      manager.close();
    }
  }

  /** Forward, backward and the step of the averages. */
  @Benchmark
  public float step(Training t) {
    try (NDManager scope = t.manager.newSubManager()) {
      NDArray x = t.vectors.duplicate();
      x.attach(scope);
      Quantized out;
      try (GradientScope gradients = new GradientScope()) {
        out = t.quantizer.quantize(x, t.parameters, Quantizer.Mode.training(1));
        gradients.backward(out.vectors().square().mean().add(out.loss()));
      }
      t.quantizer.update(out, t.parameters);
      for (String name : t.quantizer.trained()) {
        JniUtils.zeroGrad((PtNDArray) t.parameters.get(name));
      }
      return out.loss().getFloat();
    }
  }
}
