package io.squeeze.dataset;

import io.squeeze.config.Plugins;
import io.squeeze.config.SqueezeException;

/** Finds a data set by its name or its class. */
public final class Datasets {
  private Datasets() {}

  /**
   * The data set that {@code --dataset} names.
   *
   * @throws SqueezeException of category configuration if there is none
   */
  public static SegmentationDataset named(String name) {
    return Plugins.find(SegmentationDataset.class, SegmentationDataset::name, name)
        .orElseThrow(
            () ->
                SqueezeException.configuration(
                    "Unknown data set "
                        + name
                        + ": it is neither one of "
                        + Plugins.names(SegmentationDataset.class, SegmentationDataset::name)
                        + " nor a class on the class path (data.dataset, --dataset)"));
  }
}
