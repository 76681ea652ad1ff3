package io.squeeze.backbone;

import ai.djl.Device;
import io.squeeze.config.SqueezeException;
import io.squeeze.weights.ElementType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** The type that a network computes in; its input and output are float32 all the same. */
public enum Precision {
  FP32(ElementType.F32),
  FP16(ElementType.F16),
  BF16(ElementType.BF16);

  private final ElementType type;

  Precision(ElementType type) {
    this.type = type;
  }

  /** The type of packed weights. */
  public ElementType type() {
    return type;
  }

  /** By the name that {@code --precision} takes. */
  public static Precision named(String name) {
    return valueOf(name.toUpperCase(Locale.ROOT));
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Refuses what the device cannot do, or does slower than float32.
   *
   * @throws SqueezeException of category configuration
   */
  void check(Device device) {
    if (this == FP32 || device.isGpu()) {
      return;
    }
    if (this == FP16) {
      throw SqueezeException.configuration(
          "--precision fp16 is for GPUs, and this task runs on a CPU: use fp32, or bf16 where the"
              + " CPU has AVX512-BF16");
    }
    if (!cpuHas("avx512_bf16")) {
      throw SqueezeException.configuration(
          "--precision bf16 needs a GPU or a CPU with AVX512-BF16, and this one has none: use fp32");
    }
  }

  /** Whether this machine's CPU lists a feature. */
  static boolean cpuHas(String flag) {
    try (var lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.startsWith("flags"))
          .findFirst()
          .map(line -> (line + " ").contains(" " + flag + " "))
          .orElse(false);
    } catch (IOException e) {
      return false;
    }
  }
}
