package io.squeeze;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.storage.Storage;
import java.io.*;
import java.util.*;
import java.util.stream.Stream;

/** Photos of walls: img/ID.jpg, label/ID.png (0 wall, 1 crack), train.txt and test.txt with ids. */
public final class Cracks implements SegmentationDataset {
  @Override
  public String name() {
    return "cracks";
  }

  @Override
  public List<String> classes() {
    return List.of("wall", "crack");
  }

  @Override
  public List<Integer> palette() {
    return List.of(0x2E4057, 0xE4572E);
  }

  @Override
  public List<String> splits() {
    return List.of("train", "test"); // the first one is trained on
  }

  @Override
  public int[] labels() { // what a value of a mask means; -1: must not occur
    int[] labels = new int[256];
    Arrays.fill(labels, 2, 256, -1);
    labels[1] = 1;
    return labels;
  }

  @Override
  public String root(Storage storage, String path) {
    return path;
  }

  @Override
  public Stream<Sample> samples(Storage storage, String root, String split) throws IOException {
    String list = Storage.join(root, split + ".txt");
    return new BufferedReader(new InputStreamReader(storage.open(list), UTF_8))
        .lines()
        .map(id -> new Sample(id, "img/" + id + ".jpg", "label/" + id + ".png", List.of()));
  }

  @Override
  public Stream<String> images(Storage storage, String root) throws IOException {
    return storage.list(Storage.join(root, "img")).map(e -> "img/" + e.name());
  }
}
