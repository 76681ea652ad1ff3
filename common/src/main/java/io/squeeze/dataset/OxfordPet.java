package io.squeeze.dataset;

import io.squeeze.config.SqueezeException;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * Oxford-IIIT Pet: {@code images/NAME.jpg}, {@code annotations/trimaps/NAME.png} and the lists
 * {@code annotations/trainval.txt} and {@code test.txt} with lines {@code NAME class species
 * breed}. Trimaps hold 1 pet, 2 background, 3 border. torchvision's folder in between is found too.
 */
public final class OxfordPet implements SegmentationDataset {
  private static final long serialVersionUID = 1L;
  private static final String TORCHVISION_FOLDER = "oxford-iiit-pet";

  @Override
  public String name() {
    return "oxford_pet";
  }

  @Override
  public List<String> classes() {
    return List.of("pet", "background", "border");
  }

  @Override
  public List<Integer> palette() {
    return List.of(0xE4572E, 0x2E4057, 0xF3C13A);
  }

  @Override
  public List<String> splits() {
    return List.of("trainval", "test");
  }

  @Override
  public List<Column> columns() {
    return List.of(
        new Column("breed", Column.Type.STRING),
        new Column("species", Column.Type.STRING),
        new Column("class_id", Column.Type.INT));
  }

  @Override
  public String stratum() {
    return "breed";
  }

  @Override
  public int[] labels() {
    int[] labels = new int[256];
    Arrays.fill(labels, -1);
    labels[1] = 0;
    labels[2] = 1;
    labels[3] = 2;
    labels[255] = 255;
    return labels;
  }

  @Override
  public String root(Storage storage, String path) throws IOException {
    for (String root : List.of(path, Storage.join(path, TORCHVISION_FOLDER))) {
      if (storage.exists(list(root, "trainval")) && storage.exists(list(root, "test"))) {
        return root;
      }
    }
    throw SqueezeException.input(
        ("No Oxford-IIIT Pet data in %s: annotations/trainval.txt and "
                + "annotations/test.txt are not there, nor below %s/; set --data_path "
                + "(data/README.md says where to get the data)")
            .formatted(path, TORCHVISION_FOLDER));
  }

  @Override
  public Stream<Sample> samples(Storage storage, String root, String split) throws IOException {
    return storage.lines(list(root, split)).map(line -> sample(line, split));
  }

  @Override
  public Stream<String> images(Storage storage, String root) throws IOException {
    return storage
        .list(Storage.join(root, "images"))
        .map(entry -> "images/" + entry.name())
        // The official archive carries a few MATLAB files between the photos.
        .filter(path -> path.endsWith(".jpg"));
  }

  private static Sample sample(String line, String split) {
    String[] fields = line.strip().split("\\s+", -1);
    if (fields.length < 4 || fields[0].contains("/") || fields[0].startsWith(".")) {
      throw SqueezeException.input(
          "Invalid line in " + split + ".txt: '" + line + "' is not NAME CLASS SPECIES BREED");
    }
    try {
      String name = fields[0];
      int underscore = name.lastIndexOf('_');
      String breed = underscore > 0 ? name.substring(0, underscore) : name;
      String species = Integer.parseInt(fields[2]) == 1 ? "cat" : "dog";
      return new Sample(
          name,
          "images/" + name + ".jpg",
          "annotations/trimaps/" + name + ".png",
          List.of(breed, species, Integer.parseInt(fields[1])));
    } catch (NumberFormatException e) {
      throw SqueezeException.input(
          "Invalid line in " + split + ".txt: '" + line + "' holds no whole numbers", e);
    }
  }

  private static String list(String root, String split) {
    return Storage.join(root, "annotations/" + split + ".txt");
  }
}
