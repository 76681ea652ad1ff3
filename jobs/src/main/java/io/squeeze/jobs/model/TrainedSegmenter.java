package io.squeeze.jobs.model;

import io.squeeze.backbone.BackboneFile;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.InputStream;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * A checkpoint whose head gives masks, and the data set that they are written to.
 *
 * @param out the data set of predictions; its versions lie below
 * @param path of the checkpoint
 * @param original whether a mask has the size of its photo; otherwise it has that of the crop
 */
public record TrainedSegmenter(
    String out, String path, Checkpoint checkpoint, String sha256, boolean original) {
  /** The setting that says which split has masks, or all. */
  public static final String SPLIT = "data.split";

  private static final String SIZE = "mask.size";

  /**
   * Opens the checkpoint.
   *
   * @throws SqueezeException of category configuration if it has no head
   */
  public static TrainedSegmenter open(
      HadoopStorage storage, String out, String path, boolean original) throws IOException {
    Checkpoint checkpoint = Checkpoint.read(storage, path).forUse();
    if (checkpoint.model().classes() == 0) {
      throw SqueezeException.configuration(
          path + " has no segmentation head, so it gives no masks: name a run that trained one");
    }
    Set<String> names = new HashSet<>();
    for (String name : checkpoint.classNames()) {
      if (!names.add(name.toLowerCase(Locale.ROOT))) {
        throw SqueezeException.configuration(
            "%s has two classes whose names are %s but for their case: Spark cannot tell their columns apart"
                .formatted(path, name));
      }
    }
    try (InputStream in = storage.open(path)) {
      return new TrainedSegmenter(out, path, checkpoint, BackboneFile.digest(in), original);
    }
  }

  /** The settings that masks depend on, besides their input, for a manifest. */
  public Map<String, String> settings() {
    return Map.of(
        TrainedQuantizer.CHECKPOINT, sha256, SIZE, original ? "original" : "crop", SPLIT, "all");
  }

  /**
   * Refuses features of another backbone than the one that the head was trained on.
   *
   * @param what the data that has these features, for the message
   * @param backbone digest of the backbone that made them
   */
  public void check(String what, String backbone) {
    TrainedModels.check(path, checkpoint, what, backbone);
  }

  /** Names of the classes. */
  public List<String> classes() {
    return checkpoint.classNames();
  }

  /**
   * A manifest of masks of the photos that another version describes.
   *
   * @param like embeddings or codes
   * @param splits those of its splits that were predicted
   */
  public Manifest manifest(
      Manifest like,
      Map<String, String> asked,
      List<String> splits,
      Map<String, Long> rows,
      List<DataFile> files) {
    return like.predictions(asked, classes(), checkpoint.palette(), splits, rows, files);
  }
}
