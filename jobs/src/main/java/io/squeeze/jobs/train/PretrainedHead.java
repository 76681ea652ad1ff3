package io.squeeze.jobs.train;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.Backbones;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import io.squeeze.weights.StateDict;
import io.squeeze.weights.TensorSource;
import java.io.IOException;
import java.util.Arrays;
import java.util.Map;

/**
 * The head of DeepLabV3's official weights. It was trained on 21 classes (those of VOC), so a head
 * of 21 classes can begin with it.
 */
final class PretrainedHead {
  private static final int CLASSES = 21;

  private PretrainedHead() {}

  /**
   * Replaces the head's first tensors, where there is such a head and it is not refused.
   *
   * @throws SqueezeException of category configuration or input if the weights cannot be found
   */
  static void start(
      SqueezeSession session,
      Settings settings,
      Manifest manifest,
      int classes,
      Map<String, HostTensor> tensors)
      throws IOException {
    boolean asked = settings.train().head().equals("deeplab") && !settings.train().freshHead();
    String origin = manifest.backbone().weights();
    boolean official = manifest.weights() != null && !origin.isEmpty();
    if (!asked || classes != CLASSES || !official) {
      return;
    }
    HadoopStorage storage = session.storage();
    String path = settings.weights() == null ? manifest.weights() : settings.weights();
    String hint = "; train.head-start = fresh begins at random";
    if (!storage.exists(path)) {
      throw SqueezeException.configuration(
          ("The head of %s classes begins with the weights that made the embeddings, but "
                  + "there is no %s: set --weights to the file with SHA-256 %s%s")
              .formatted(CLASSES, path, origin, hint));
    }
    String found = Backbones.digest(storage, path);
    if (!found.equals(origin)) {
      throw SqueezeException.configuration(
          "The embeddings were made with weights of SHA-256 %s, %s has %s (--weights)%s"
              .formatted(origin, path, found, hint));
    }
    try (StateDict dict = StateDict.open(storage, path)) {
      for (Map.Entry<String, HostTensor> entry : tensors.entrySet()) {
        if (entry.getKey().startsWith("head.")) {
          String theirs = "classifier." + entry.getKey().substring("head.".length());
          TensorSource tensor = dict.tensors().get(theirs);
          if (tensor == null || !Arrays.equals(tensor.shape(), entry.getValue().shape())) {
            throw SqueezeException.input(
                "%s has no %s of %s%s"
                    .formatted(path, theirs, Arrays.toString(entry.getValue().shape()), hint));
          }
          entry.setValue(HostTensor.of(tensor).as(ElementType.F32));
        }
      }
    }
    session.reporter().say("The head begins with its weights of " + path);
  }
}
