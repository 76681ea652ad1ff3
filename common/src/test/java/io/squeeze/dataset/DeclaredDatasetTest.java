package io.squeeze.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.SegmentationDataset.Sample;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.ImageDecoder;
import io.squeeze.image.Mask;
import io.squeeze.storage.Storage;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeclaredDatasetTest {
  private static final Storage LOCAL = Storage.local();

  private static final String VOC =
      """
      classes = [background, aeroplane, bicycle, bird]
      images = "JPEGImages/{id}.jpg"
      masks = "SegmentationClass/{id}.png"
      splits {
        train = "ImageSets/Segmentation/train.txt"
        val = "ImageSets/Segmentation/val.txt"
      }
      """;

  private static final String ADE =
      """
      classes = [wall, building, sky]
      first-label = 1
      labels { 0 = ignore, 200 = sky }
      unknown-labels = ignore
      palette = ["#787878", "0xB47878", "06e6e6"]
      masks-required = false
      splits {
        validation { images = "images/validation/ADE_{id}.jpg", masks = "annotations/v/ADE_{id}.png" }
        training { images = "images/training/ADE_{id}.jpg" }
      }
      """;

  @Test
  void listsNameTheSamplesOfVoc(@TempDir Path folder) throws Exception {
    Files.writeString(folder.resolve("voc.conf"), VOC);
    SegmentationDataset voc = Datasets.named(LOCAL, folder.resolve("voc.conf").toString());
    assertThat(voc.name()).isEqualTo("voc");
    assertThat(voc.splits()).containsExactly("train", "val");
    assertThat(voc.palette()).containsExactly(0x000000, 0x800000, 0x008000, 0x808000);
    assertThatThrownBy(() -> voc.root(LOCAL, folder.toString()))
        .hasMessageContaining("No ImageSets/Segmentation/train.txt in " + folder);
    Files.createDirectories(folder.resolve("ImageSets/Segmentation"));
    Files.writeString(folder.resolve("ImageSets/Segmentation/train.txt"), "2007_02 1\n\n2007_01\n");
    Files.writeString(folder.resolve("ImageSets/Segmentation/val.txt"), "../../etc/passwd\n");
    assertThat(voc.samples(LOCAL, voc.root(LOCAL, folder.toString()), "train"))
        .containsExactly(
            new Sample(
                "2007_02", "JPEGImages/2007_02.jpg", "SegmentationClass/2007_02.png", List.of()),
            new Sample(
                "2007_01", "JPEGImages/2007_01.jpg", "SegmentationClass/2007_01.png", List.of()));
    assertThatThrownBy(() -> voc.samples(LOCAL, folder.toString(), "val").toList())
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("Invalid id in a list of voc: ../../etc/passwd");
    assertThat(voc.labelled(new Mask(4, 1, new byte[] {0, 3, (byte) 255, 1})).data())
        .containsExactly(0, 3, -1, 1);
    assertThatThrownBy(() -> voc.labelled(new Mask(1, 1, new byte[] {4})))
        .isInstanceOf(BadSampleException.class)
        .hasMessageContaining("the mask holds 4, which is no label of voc");
  }

  @Test
  void foldersListThemselvesInTheOrderOfTheirNames(@TempDir Path folder) throws Exception {
    SegmentationDataset ade = DeclaredDataset.parse(ADE, "ade.conf");
    assertThat(ade.splits()).containsExactly("validation", "training");
    assertThat(ade.palette()).containsExactly(0x787878, 0xB47878, 0x06E6E6);
    assertThat(ade.masksRequired()).isFalse();
    Files.createDirectories(folder.resolve("images/validation"));
    for (String name : List.of("ADE_2.jpg", "ADE_10.jpg", "notes.txt", "ADE_1.jpg")) {
      Files.writeString(folder.resolve("images/validation").resolve(name), "");
    }
    assertThat(ade.samples(LOCAL, folder.toString(), "validation").map(Sample::id))
        .containsExactly("1", "10", "2");
    assertThat(ade.labelled(new Mask(5, 1, new byte[] {0, 1, 3, (byte) 200, 9})).data())
        .containsExactly(-1, 0, 2, 2, -1);
  }

  private static byte[] png(int type, int... values) throws IOException {
    BufferedImage image = new BufferedImage(values.length, 1, type);
    for (int x = 0; x < values.length; x++) {
      if (type == BufferedImage.TYPE_USHORT_GRAY) {
        image.getRaster().setSample(x, 0, 0, values[x]);
      } else {
        image.setRGB(x, 0, values[x]);
      }
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ImageIO.write(image, "png", out);
    return out.toByteArray();
  }

  @Test
  void masksHoldColoursOrNumbersOfInstances() throws Exception {
    String declared =
        "classes = [sky, car], images = \"{id}.jpg\", splits { z = z }, unknown-labels = %s, ";
    ImageDecoder decoder = new ImageDecoder(Settings.defaults().image());
    String colours = "colours { \"#0000FF\" = sky, \"0x800000\" = car, E0E0C0 = ignore }";
    byte[] mask = png(BufferedImage.TYPE_INT_RGB, 0x800000, 0x0000FF, 0xE0E0C0, 0x123456);
    assertThat(
            DeclaredDataset.parse(declared.formatted("ignore") + colours, "c")
                .mask(decoder, mask)
                .data())
        .containsExactly(1, 0, -1, -1);
    DeclaredDataset strict = DeclaredDataset.parse(declared.formatted("refuse") + colours, "c");
    assertThatThrownBy(() -> strict.mask(decoder, mask))
        .isInstanceOf(BadSampleException.class)
        .hasMessage(
            "the mask has the colour #123456 at 3, 0, which colours (--dataset) does not name");
    // Instance 3 of class 1, and class 0 itself, as Cityscapes numbers them.
    byte[] instances = png(BufferedImage.TYPE_USHORT_GRAY, 1003, 0, 1);
    assertThat(
            DeclaredDataset.parse(declared.formatted("refuse") + "reduce = 1000", "c")
                .mask(decoder, instances)
                .data())
        .containsExactly(1, 0, 1);
    DeclaredDataset plain = DeclaredDataset.parse(declared.formatted("refuse"), "c");
    assertThatThrownBy(() -> plain.mask(decoder, instances)).hasMessageContaining("declare reduce");
    assertThatThrownBy(() -> plain.mask(decoder, mask))
        .hasMessageContaining("colours of --dataset");
    assertThatThrownBy(
            () ->
                DeclaredDataset.parse(declared.formatted("refuse") + "colours { red = sky }", "c"))
        .hasMessageContaining("colours: red is no colour such as #E4572E");
    assertThatThrownBy(
            () ->
                DeclaredDataset.parse(
                    declared.formatted("refuse") + colours + ", reduce = 1000", "c"))
        .hasMessageContaining("colours and reduce exclude each other");
  }

  @Test
  void splitsStandInTheOrderOfTheText() {
    String text =
        "classes = [a], images = \"{id}.jpg\", splits { z = z, b = b.txt, y = {}, a = z }";
    assertThat(DeclaredDataset.parse(text, "one").splits()).containsExactly("z", "b", "y", "a");
  }

  @Test
  void whatIsWrongIsSaid() {
    assertThatThrownBy(() -> DeclaredDataset.parse(VOC + "clases = []", "voc.conf"))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("Invalid data set voc.conf (--dataset): clases: unknown key");
    assertThatThrownBy(() -> DeclaredDataset.parse(VOC + "labels { 7 = cat }", "voc.conf"))
        .hasMessageContaining("labels: cat is neither a class nor ignore");
    assertThatThrownBy(() -> DeclaredDataset.parse(VOC.replace("{id}.jpg", "a.jpg"), "voc.conf"))
        .hasMessageContaining("are paths with {id}");
    assertThatThrownBy(
            () -> DeclaredDataset.parse(ADE.replace("/ADE_{id}.jpg", "/{id}/1.jpg"), "ade.conf"))
        .hasMessageContaining("with {id} in a folder's name: set list");
    assertThatThrownBy(() -> DeclaredDataset.parse(ADE.replace("sky]", "wall]"), "ade.conf"))
        .hasMessageContaining("classes names one twice");
    assertThatThrownBy(() -> DeclaredDataset.parse("splits { a = b }", "voc.conf"))
        .hasMessageContaining("classes needs 1 to 255 names");
    assertThatThrownBy(() -> Datasets.named(LOCAL, "no.conf"))
        .hasMessageContaining("Cannot read no.conf (--dataset)");
  }

  @Test
  void listsAndFoldersLoseNoEntry(@TempDir Path folder) throws IOException {
    Files.writeString(folder.resolve("list.txt"), "\uFEFFfirst\na photo\nn02_1 1 -1\nt\tnote\n");
    String classes = "classes = [a, b]\nimages = \"images/%s\"\nsplits { all %s }";
    DeclaredDataset listed =
        DeclaredDataset.parse(classes.formatted("{id}.jpg", "= list.txt"), "d.conf");
    assertThat(ids(listed, folder)).containsExactly("first", "a photo", "n02_1", "t");

    Path images = Files.createDirectory(folder.resolve("images"));
    for (String name : List.of("a.jpg", "b.JPG", "c.jpeg", "d.png", "notes.txt")) {
      Files.writeString(images.resolve(name), "");
    }
    DeclaredDataset jpg = DeclaredDataset.parse(classes.formatted("{id}.jpg", "{}"), "d.conf");
    assertThat(ids(jpg, folder)).containsExactly("a");
    try (Stream<String> lying = jpg.images(Storage.local(), folder.toString())) {
      assertThat(lying)
          .containsExactlyInAnyOrder(
              "images/a.jpg", "images/b.JPG", "images/c.jpeg", "images/d.png");
    }
    DeclaredDataset any = DeclaredDataset.parse(classes.formatted("{id}.*", "{}"), "d.conf");
    assertThat(ids(any, folder)).containsExactly("a", "b", "c", "d");
    try (Stream<SegmentationDataset.Sample> samples =
        any.samples(Storage.local(), folder.toString(), "all")) {
      assertThat(samples.map(SegmentationDataset.Sample::image))
          .containsExactly("images/a.jpg", "images/b.JPG", "images/c.jpeg", "images/d.png");
    }
    assertThatThrownBy(
            () -> DeclaredDataset.parse(classes.formatted("{id}.*", "= list.txt"), "d.conf"))
        .hasMessageContaining("with a list its ending must be given");
  }

  private static List<String> ids(DeclaredDataset dataset, Path folder) throws IOException {
    try (Stream<SegmentationDataset.Sample> samples =
        dataset.samples(Storage.local(), folder.toString(), "all")) {
      return samples.map(SegmentationDataset.Sample::id).toList();
    }
  }
}
