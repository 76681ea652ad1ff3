package io.squeeze.dataset;

import io.squeeze.config.Plugins;
import io.squeeze.config.SqueezeException;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.Optional;

/** Finds a data set by its name, its class or its declaration. */
public final class Datasets {
  private Datasets() {}

  /**
   * The data set that {@code --dataset} names; a path that ends in .conf or .json is a declaration.
   *
   * @throws SqueezeException of category configuration if there is none
   */
  public static SegmentationDataset named(Storage storage, String name) {
    if (name.endsWith(".conf") || name.endsWith(".json")) {
      try {
        return DeclaredDataset.parse(storage.text(name), name);
      } catch (IOException e) {
        throw SqueezeException.configuration("Cannot read " + name + " (--dataset)");
      }
    }
    return known(name)
        .orElseThrow(
            () ->
                SqueezeException.configuration(
                    ("Unknown data set %s: it is neither one of %s, nor a class on the class path, "
                            + "nor a declaration in a .conf file (data.dataset, --dataset)")
                        .formatted(
                            name,
                            Plugins.names(SegmentationDataset.class, SegmentationDataset::name))));
  }

  /** The data set of a name or class, if there is one. */
  public static Optional<SegmentationDataset> known(String name) {
    return Plugins.find(SegmentationDataset.class, SegmentationDataset::name, name);
  }
}
