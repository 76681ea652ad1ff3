package io.squeeze.torch;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.squeeze.config.SqueezeException;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.FileSystemException;
import java.util.function.Consumer;

/** Loads libtorch once a JVM and moves tensors between the heap and native memory. */
public final class Torch {
  private static boolean started;

  private Torch() {}

  /**
   * Loads the engine, before anything else touches DJL, with a fixed number of threads for each
   * operation; and prepares the calling thread. Call it at the start of every task.
   *
   * <p>libtorch keeps gradient mode and the graph optimizer per thread: both are switched off here,
   * since every new thread has them on. Without the optimizer a program runs alike from its first
   * call, so a task's numbers do not depend on what ran before it. OpenMP keeps its number of
   * threads per thread, too: a thread that was never told would use all cores.
   *
   * @throws SqueezeException of category resource if the native library cannot be loaded
   */
  public static void start(int threads) {
    startEngine(threads);
    prepare(threads);
    Pieces.use(1);
  }

  /**
   * The same for a thread whose operations are cut into {@link Pieces}: libtorch computes each on
   * one thread, and so many threads compute pieces. Results do not depend on the number.
   *
   * @throws SqueezeException of category resource if the native library cannot be loaded
   */
  public static void startInPieces(int threads) {
    startEngine(1);
    prepare(1);
    Pieces.use(threads);
  }

  /** What libtorch keeps for each thread. */
  static void prepare(int threads) {
    JniUtils.setNumThreads(threads);
    JniUtils.setGradMode(false);
    JniUtils.setGraphExecutorOptimize(false);
  }

  private static synchronized void startEngine(int threads) {
    if (started) {
      return;
    }
    System.setProperty("ai.djl.pytorch.num_threads", Integer.toString(threads));
    System.setProperty("ai.djl.pytorch.num_interop_threads", "1");
    System.setProperty("ai.djl.pytorch.graph_optimizer", "false");
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("OPT_OUT_TRACKING", "true");
    try {
      Engine.getEngine("PyTorch");
      started = true;
    } catch (RuntimeException | LinkageError e) {
      Throwable root = e;
      while (root.getCause() != null) {
        root = root.getCause();
      }
      throw SqueezeException.resource(
          "Cannot load libtorch ("
              + said(root)
              + "): put pytorch-native-cpu's jar on the class path of driver and executors, or set"
              + " PYTORCH_LIBRARY_PATH to a folder with libtorch 2.7.1",
          e);
    }
  }

  private static String said(Throwable root) {
    if (root instanceof FileSystemException file) {
      return "cannot write " + file.getFile() + ", see DJL_CACHE_DIR";
    }
    String version = System.getenv("PYTORCH_VERSION");
    return root.getMessage() + (version == null ? "" : ", PYTORCH_VERSION is " + version);
  }

  /** CUDA devices that libtorch can use: none with its CPU build, whatever the machine has. */
  public static int gpus() {
    return JniUtils.getFeatures().contains("CUDA") ? Engine.getEngine("PyTorch").getGpuCount() : 0;
  }

  /** Whether a device's memory was not enough: libtorch says so in words alone. */
  public static boolean outOfMemory(EngineException e) {
    String message = String.valueOf(e.getMessage());
    // CUDA's allocator, then the CPU's on two systems.
    return message.contains("out of memory")
        || message.contains("can't allocate memory")
        || message.contains("not enough memory");
  }

  /** A manager of native memory that frees what it holds when closed. */
  public static NDManager manager(Device device) {
    return NDManager.newBaseManager(device, "PyTorch");
  }

  /** Copies a tensor of the heap to native memory. */
  public static NDArray array(NDManager manager, HostTensor tensor) {
    return array(
        manager, dataType(tensor.type()), new Shape(tensor.shape()), b -> b.put(tensor.buffer()));
  }

  /** A new float32 array whose elements the consumer puts one after the other. */
  public static NDArray floats(NDManager manager, Shape shape, Consumer<FloatBuffer> fill) {
    return array(manager, DataType.FLOAT32, shape, b -> fill.accept(b.asFloatBuffer()));
  }

  /**
   * A float32 scalar in torch's own memory. DJL puts a Java number into a buffer that the garbage
   * collector owns. {@code x.mul(0.5f)} keeps this buffer for the backward pass. If a collection
   * comes in between, the gradient is multiplied by whatever the memory then holds.
   */
  public static NDArray scalar(NDManager manager, double value) {
    return floats(manager, new Shape(), b -> b.put((float) value));
  }

  /** A new array whose bytes, little endian, the consumer puts. */
  public static NDArray array(
      NDManager manager, DataType type, Shape shape, Consumer<ByteBuffer> fill) {
    if (!manager.getDevice().isGpu()) {
      // A view of the native memory: no buffer outside the manager's keeping.
      NDArray array = manager.create(shape, type);
      if (shape.size() > 0) {
        fill.accept(view(array));
      }
      return array;
    }
    ByteBuffer buffer =
        manager
            .allocateDirect(Math.toIntExact(shape.size() * type.getNumOfBytes()))
            .order(ByteOrder.LITTLE_ENDIAN);
    fill.accept(buffer);
    buffer.rewind();
    return manager.create(buffer, shape, type);
  }

  /** The types that cross between heap and native memory: the JNI layer dies of others. */
  private static DataType dataType(ElementType type) {
    return switch (type) {
      case F32 -> DataType.FLOAT32;
      case F16 -> DataType.FLOAT16;
      case I64 -> DataType.INT64;
      default -> throw new IllegalArgumentException("No native array for " + type);
    };
  }

  /** Copies an array of float32, float16 or int64 to the heap. */
  public static HostTensor tensor(NDArray array) {
    ElementType type =
        switch (array.getDataType()) {
          case FLOAT32 -> ElementType.F32;
          case FLOAT16 -> ElementType.F16;
          case INT64 -> ElementType.I64;
          default -> throw new IllegalArgumentException("Cannot copy " + array.getDataType());
        };
    byte[] bytes = new byte[Math.toIntExact(array.size() * type.bytes())];
    if (bytes.length > 0) {
      view(array).get(bytes);
    }
    return new HostTensor(type, array.getShape().getShape(), bytes);
  }

  /** Copies the first {@code count} numbers of a float32 array into one of the heap. */
  public static void copy(NDArray array, float[] into, int at, int count) {
    view(array).asFloatBuffer().get(into, at, count);
  }

  /**
   * The array's bytes: its own memory on the CPU, where writing through is possible, else a copy.
   */
  static ByteBuffer view(NDArray array) {
    return ((PtNDArray) array).toByteBuffer(true).order(ByteOrder.LITTLE_ENDIAN);
  }
}
