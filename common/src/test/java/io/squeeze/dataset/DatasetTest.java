package io.squeeze.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.SqueezeException;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DatasetTest {
  private final OxfordPet pets = new OxfordPet();

  @Test
  void aSeedDrawsTheSamePicturesInTheOfficialLayout(@TempDir Path folder) throws IOException {
    new Shapes(7).write(folder.resolve("a"), 12);
    new Shapes(7).write(folder.resolve("b"), 12);
    new Shapes(8).write(folder.resolve("c"), 12);
    for (String name : List.of("images/star_2.jpg", "annotations/trimaps/star_2.png")) {
      byte[] first = Files.readAllBytes(folder.resolve("a").resolve(name));
      assertThat(folder.resolve("b").resolve(name)).hasBinaryContent(first);
      assertThat(Files.readAllBytes(folder.resolve("c").resolve(name))).isNotEqualTo(first);
    }
    String root = pets.root(Storage.local(), folder.resolve("a").toString());
    try (var samples = pets.samples(Storage.local(), root, "trainval")) {
      assertThat(samples.map(SegmentationDataset.Sample::id)).contains("circle_1", "cross_2");
    }
    try (var images = pets.images(Storage.local(), root)) {
      assertThat(images).hasSize(12);
    }
  }

  @Test
  void torchvisionsFolderInBetweenIsFound(@TempDir Path folder) throws IOException {
    new Shapes(1).write(folder.resolve("oxford-iiit-pet"), 6);
    assertThat(pets.root(Storage.local(), folder.toString())).endsWith("/oxford-iiit-pet");
    assertThatThrownBy(() -> pets.root(Storage.local(), folder + "/nowhere"))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("No Oxford-IIIT Pet data")
        .hasMessageContaining("--data_path");
  }

  @Test
  void breedAndSpeciesComeFromTheList(@TempDir Path folder) throws IOException {
    Files.createDirectories(folder.resolve("annotations"));
    Files.writeString(
        folder.resolve("annotations/trainval.txt"), "# comment\nyorkshire_terrier_9 37 2 25\n");
    try (var samples = pets.samples(Storage.local(), folder.toString(), "trainval")) {
      assertThat(samples.findFirst().orElseThrow().values())
          .containsExactly("yorkshire_terrier", "dog", 37);
    }
    Files.writeString(folder.resolve("annotations/trainval.txt"), "../../etc/passwd 1 1 1\n");
    assertThatThrownBy(() -> pets.samples(Storage.local(), folder.toString(), "trainval").toList())
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("is not NAME CLASS SPECIES BREED");
  }

  @Test
  void dataSetsAreFoundByNameAndByClass() {
    assertThat(Datasets.named(Storage.local(), "oxford_pet")).isInstanceOf(OxfordPet.class);
    assertThat(Datasets.named(Storage.local(), OxfordPet.class.getName()))
        .isInstanceOf(OxfordPet.class);
    assertThatThrownBy(() -> Datasets.named(Storage.local(), "coco"))
        .hasMessageContaining("neither one of oxford_pet, photos, nor a class");
  }

  @Test
  void aFolderIsAListOfItsPhotosInTheOrderOfTheirPaths(@TempDir Path folder) throws IOException {
    for (String name :
        List.of(
            "b.jpg",
            "A.PNG",
            "a/c.webp",
            "a/_d.jpg",
            ".e.jpg",
            "_f/g.jpg",
            "h.txt",
            "a/.i/j.jpg")) {
      Path file = folder.resolve(name);
      Files.createDirectories(file.getParent());
      Files.writeString(file, "x");
    }
    PhotoFolder photos = new PhotoFolder();
    String root = photos.root(Storage.local(), folder.toString());
    try (var samples = photos.samples(Storage.local(), root, "photos")) {
      assertThat(samples.map(SegmentationDataset.Sample::id))
          .containsExactly("A.PNG", "a/_d.jpg", "a/c.webp", "b.jpg");
    }
    Files.createSymbolicLink(folder.resolve("a/back"), folder);
    assertThatThrownBy(() -> photos.samples(Storage.local(), root, "photos").count())
        .hasMessageContaining("as if a link led back");
  }

  @Test
  void quotasAreTheLargestRemainders() {
    Map<String, Long> sizes = new TreeMap<>(Map.of("a", 5L, "b", 5L, "c", 1L));
    assertThat(Cut.quotas(sizes, 4)).isEqualTo(Map.of("a", 2L, "b", 2L, "c", 0L));
    assertThat(Cut.quotas(sizes, 99)).isEqualTo(sizes);
    assertThat(Cut.quotas(sizes, 0).values()).containsOnly(0L);
  }

  @Test
  void filesThatAreNoListsAreRefusedBeforeTheyFillTheHeap(@TempDir Path folder) throws IOException {
    Path list = folder.resolve("list");
    Files.write(list, new byte[2 << 20]);
    try (var lines = Storage.local().lines(list.toString())) {
      assertThatThrownBy(lines::count).hasMessageContaining("holds a line of more than 1048576");
    }
    Path manifest = folder.resolve("manifest");
    try (var file = new java.io.RandomAccessFile(manifest.toFile(), "rw")) {
      file.setLength(Storage.LARGEST_TEXT + 1L); // takes no room on the disk
    }
    assertThatThrownBy(() -> Storage.local().text(manifest.toString()))
        .hasMessageContaining("has more than 268435456 bytes");
  }
}
