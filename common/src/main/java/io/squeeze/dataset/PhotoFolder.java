package io.squeeze.dataset;

import io.squeeze.config.SqueezeException;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * Photos without masks: every file in a folder, and in the folders below it, whose name ends as
 * photos do. The path from the folder is the sample's id. Folders whose names begin with a dot or
 * an underscore are left out.
 */
public final class PhotoFolder implements SegmentationDataset {
  private static final long serialVersionUID = 1L;

  private static final int DEEPEST = 16;

  /** What {@code --dataset} calls it, and the name of its only list. */
  public static final String NAME = "photos";

  @Override
  public String name() {
    return NAME;
  }

  /** Nothing is labelled; a mask of these photos says of every pixel that it does not count. */
  @Override
  public List<String> classes() {
    return List.of("unlabelled");
  }

  @Override
  public List<Integer> palette() {
    return List.of(0);
  }

  @Override
  public List<String> splits() {
    return List.of(NAME);
  }

  @Override
  public boolean masksRequired() {
    return false;
  }

  @Override
  public int[] labels() {
    int[] labels = new int[256];
    Arrays.fill(labels, -1);
    return labels;
  }

  @Override
  public String root(Storage storage, String path) throws IOException {
    if (!storage.exists(path)) {
      throw SqueezeException.input("No folder of photos at " + path + " (--data_path)");
    }
    return path;
  }

  @Override
  public Stream<Sample> samples(Storage storage, String root, String split) throws IOException {
    // A folder has no order of its own.
    return files(storage, root, "").sorted().map(path -> new Sample(path, path, "", List.of()));
  }

  @SuppressWarnings("StreamResourceLeak") // handed to the caller, who closes it
  private static Stream<String> files(Storage storage, String root, String below)
      throws IOException {
    if (below.chars().filter(c -> c == '/').count() > DEEPEST) {
      throw SqueezeException.input(
          "Folders lie more than %d deep, as if a link led back: %s (--data_path)"
              .formatted(DEEPEST, Storage.join(root, below)));
    }
    String folder = below.isEmpty() ? root : Storage.join(root, below);
    Stream<String> own =
        storage
            .list(folder)
            .map(Storage.Entry::name)
            // What macOS leaves beside a photo ends as the photo does.
            .filter(name -> Declaration.Place.isPhoto(name) && !name.startsWith("."))
            .map(name -> below + name);
    Stream<String> deeper =
        storage
            .folders(folder)
            .filter(name -> !name.startsWith(".") && !name.startsWith("_"))
            .flatMap(
                name -> {
                  try {
                    return files(storage, root, below + name + "/");
                  } catch (IOException e) {
                    throw new UncheckedIOException(e);
                  }
                });
    return Stream.concat(own, deeper);
  }

  /** The folder is the list, so no photo is left out of it. */
  @Override
  public Stream<String> images(Storage storage, String root) {
    return Stream.empty();
  }
}
