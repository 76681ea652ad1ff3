package io.squeeze.config;

import java.io.Serializable;
import java.util.List;

/** The quantizer and its options; sizes in codes and dimensions. */
public record QuantizerSettings(
    String type,
    int codebookSize,
    int bottleneckDim,
    double decay,
    double eps,
    double commitment,
    double lossWeight,
    int kmeansIterations,
    int maxInitSamples)
    implements Serializable {

  static QuantizerSettings from(Section section) {
    return new QuantizerSettings(
        section.oneOf("type", List.of("vq", "none")),
        section.intIn("codebook-size", 2, 65536),
        section.intIn("bottleneck-dim", 1, 65536),
        section.doubleIn("decay", 0, 0.999999),
        section.doubleIn("eps", 0, 1),
        section.doubleIn("commitment", 0, 1e6),
        section.doubleIn("loss-weight", 0, 1e6),
        section.intIn("kmeans-iterations", 1, 1000),
        section.intIn("max-init-samples", 1, 4_000_000));
  }
}
