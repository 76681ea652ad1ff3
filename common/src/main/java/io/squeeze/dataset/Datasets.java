package io.squeeze.dataset;

import io.squeeze.config.SqueezeException;
import java.util.ServiceLoader;
import java.util.TreeSet;

/** Finds a data set by its name or its class. */
public final class Datasets {
  private Datasets() {}

  /**
   * The data set that {@code --dataset} names.
   *
   * @throws SqueezeException of category configuration if there is none
   */
  public static SegmentationDataset named(String name) {
    ClassLoader loader = Thread.currentThread().getContextClassLoader();
    TreeSet<String> known = new TreeSet<>();
    for (SegmentationDataset dataset : ServiceLoader.load(SegmentationDataset.class, loader)) {
      if (dataset.name().equals(name)) {
        return dataset;
      }
      known.add(dataset.name());
    }
    try {
      return Class.forName(name, true, loader)
          .asSubclass(SegmentationDataset.class)
          .getConstructor()
          .newInstance();
    } catch (ClassNotFoundException e) {
      throw SqueezeException.configuration(
          "Unknown data set "
              + name
              + ": it is neither one of "
              + String.join(", ", known)
              + " nor a class on the class path (data.dataset, --dataset)");
    } catch (ReflectiveOperationException | ClassCastException e) {
      throw SqueezeException.configuration(
          "Cannot use "
              + name
              + " as a data set: it must implement SegmentationDataset and have a public"
              + " constructor without arguments");
    }
  }
}
