package io.squeeze.dataset;

import io.squeeze.image.BadSampleException;
import io.squeeze.image.ImageDecoder;
import io.squeeze.image.Mask;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A data set of photos with masks. Implement it, list the class in {@code
 * META-INF/services/io.squeeze.dataset.SegmentationDataset} (or name it with {@code --dataset
 * com.example.MyPets}), and every command works on it.
 *
 * <p>Implementations have a public constructor without arguments and hold no state.
 */
public interface SegmentationDataset extends Serializable {

  /** The name for {@code --dataset}. */
  String name();

  /** Class names; the position is the label that {@link #labels} maps to. */
  List<String> classes();

  /** Colours of the classes as 0xRRGGBB, in the order of {@link #classes}. */
  List<Integer> palette();

  /** The data set's own lists, such as trainval and test. */
  List<String> splits();

  /** The descriptive columns of a sample, beside id and paths. */
  default List<Column> columns() {
    return List.of();
  }

  /** The column by which splits are balanced, such as the breed; empty for none. */
  default String stratum() {
    return "";
  }

  /**
   * Identifies everything that the rows depend on besides the name. It changes when classes or
   * labels change.
   */
  default String version() {
    return "";
  }

  /** The table whose rows are the samples, where no files list them. */
  default Optional<Table> table() {
    return Optional.empty();
  }

  /** Whether a sample without a mask is rejected; else all its pixels are ignored. */
  default boolean masksRequired() {
    return true;
  }

  /**
   * What each value of a mask file means: 256 entries, the class, 255 to ignore the pixel, or -1
   * for a value that must not occur.
   */
  int[] labels();

  /** What the colours of a mask file mean; empty where its values are numbers. */
  default Optional<Colours> colours() {
    return Optional.empty();
  }

  /**
   * Divides the values of masks that are as large or larger: class 26's instance 3 is 26003. 0: no
   * value is divided.
   */
  default int reduce() {
    return 0;
  }

  /**
   * Decodes a mask file to labels.
   *
   * @throws BadSampleException if it is no mask of this data set
   */
  default Mask mask(ImageDecoder decoder, byte[] file) throws BadSampleException {
    Optional<Colours> colours = colours();
    return colours.isPresent()
        ? colours.get().labelled(decoder.decodeRgb(file))
        : labelled(decoder.decodeMask(file, reduce()));
  }

  /**
   * A mask file's values as labels.
   *
   * @throws BadSampleException if a value must not occur
   */
  default Mask labelled(Mask mask) throws BadSampleException {
    int[] meaning = labels();
    byte[] values = mask.data();
    byte[] labels = new byte[values.length];
    int all = 0;
    for (int i = 0; i < labels.length; i++) {
      int label = meaning[values[i] & 0xFF];
      labels[i] = (byte) label;
      all |= label; // negative where any is
    }
    if (all < 0) {
      throw new BadSampleException(
          BadSampleException.Code.BAD_LABEL,
          "the mask holds " + unknown(values, meaning) + ", which is no label of " + name());
    }
    return new Mask(mask.width(), mask.height(), labels);
  }

  private static int unknown(byte[] values, int[] meaning) {
    int i = 0;
    while (meaning[values[i] & 0xFF] >= 0) {
      i++;
    }
    return values[i] & 0xFF;
  }

  /**
   * The folder that holds the data below {@code path}, as a user may name a parent.
   *
   * @throws io.squeeze.config.SqueezeException of category input if there is no such data
   */
  String root(Storage storage, String path) throws IOException;

  /** The listed samples of one split in the list's order, streamed. */
  Stream<Sample> samples(Storage storage, String root, String split) throws IOException;

  /** All image files that lie there, relative to the root, to report those that no list names. */
  Stream<String> images(Storage storage, String root) throws IOException;

  /**
   * A table of samples; image and mask are columns of bytes, or of paths relative to the root.
   *
   * @param path of Parquet, relative to the root or absolute
   * @param id column that names a sample
   * @param mask null for none
   * @param split column with the split's name; null: all rows are of the first split
   */
  record Table(String path, String id, String image, String mask, String split)
      implements Serializable {}

  /** A descriptive column and its type. */
  record Column(String name, Type type) implements Serializable {
    /** The types that a column may have. */
    public enum Type {
      STRING,
      INT
    }
  }

  /**
   * One sample as its list names it.
   *
   * @param id unique within the data set
   * @param image path of the photo, relative to the root
   * @param mask path of the mask, relative to the root; empty for none
   * @param values of {@link SegmentationDataset#columns}, String or Integer, in their order
   */
  record Sample(String id, String image, String mask, List<Object> values)
      implements Serializable {}
}
