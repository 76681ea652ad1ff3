package io.squeeze;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.*;
import ai.djl.ndarray.types.Shape;
import io.squeeze.codec.BitPacking;
import io.squeeze.config.Settings;
import io.squeeze.dataset.Datasets;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.quantize.*;
import io.squeeze.storage.Storage;
import io.squeeze.torch.*;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs the Java of common/README.md, and holds the page to what runs here. */
class ReadmeTest {
  /** A link to a file, not to a site. */
  private static final Pattern LINK = Pattern.compile("\\]\\(([^)#:\\s]+)\\)");

  private static final Path README = Path.of("README.md");

  @Test
  void theLibraryExampleRuns() {
    // README: library
    Torch.start(2); // threads of an operation
    Quantizer vq = Quantizer.of(Settings.defaults().quantizer(), 768); // 512 codes: 9 bits
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, vq.initial(42))) {
      NDArray vectors = manager.randomNormal(new Shape(196, 768)); // 4 grids of 7 x 7
      Quantized squeezed = vq.quantize(vectors, parameters, Quantizer.Mode.EVALUATION);
      byte[] bytes = new BitPacking(512).pack(squeezed.codeValues()); // 602,112 bytes become 221
      NDArray restored = vq.decode(squeezed.codes(), parameters); // [196, 768]
      // README: end
      assertThat(bytes).hasSize(221);
      assertThat(restored.getShape()).isEqualTo(vectors.getShape());
    }
  }

  @Test
  void theDataSetExampleIsFoundByItsClass(@TempDir Path folder) throws IOException {
    Files.writeString(folder.resolve("train.txt"), "a1\na2\n");
    SegmentationDataset cracks = Datasets.named(Storage.local(), "io.squeeze.Cracks");
    String root = cracks.root(Storage.local(), folder.toString());
    assertThat(cracks.samples(Storage.local(), root, "train").map(SegmentationDataset.Sample::mask))
        .containsExactly("label/a1.png", "label/a2.png");
  }

  @Test
  void theReadmeShowsWhatRunsHere() throws IOException {
    String readme = squeezed(Files.readString(README));
    Path sources = Path.of("src/test/java/io/squeeze");
    String here = Files.readString(sources.resolve("ReadmeTest.java"));
    int begin = here.indexOf("// README: library\n");
    String example = here.substring(here.indexOf('\n', begin), here.indexOf("// README: end\n"));
    assertThat(readme).contains(squeezed(example));
    String cracks = Files.readString(sources.resolve("Cracks.java"));
    assertThat(readme).contains(squeezed(cracks.substring(cracks.indexOf("import"))));
    String colour = Files.readString(sources.resolve("ColourGrid.java"));
    assertThat(readme).contains(squeezed(colour.substring(colour.indexOf("import"))));
    String tversky = Files.readString(sources.resolve("Tversky.java"));
    assertThat(readme).contains(squeezed(tversky.substring(tversky.indexOf("import"))));
    String pq =
        Files.readString(Path.of("src/main/java/io/squeeze/quantize/ProductQuantizer.java"));
    assertThat(readme).contains(squeezed(pq.substring(pq.indexOf("import"))));
    assertThat(Files.readAllLines(README).stream().filter(line -> line.startsWith("import ")))
        .allMatch(
            line ->
                (here + cracks + colour + pq + tversky).contains(line)
                    || line.startsWith("import t"));
  }

  @Test
  void theReadmeIsShortAndEveryLinkOfThePagesLeadsSomewhere() throws IOException {
    assertThat(Files.readAllLines(Path.of("../README.md"))).hasSizeLessThanOrEqualTo(150);
    List<Path> pages;
    try (Stream<Path> files = Files.walk(Path.of(".."), 2)) {
      pages = files.filter(file -> file.toString().endsWith(".md")).toList();
    }
    assertThat(pages).hasSizeGreaterThan(9);
    for (Path page : pages) {
      Matcher link = LINK.matcher(Files.readString(page));
      while (link.find()) {
        Path target = page.resolveSibling(link.group(1));
        assertThat(target).as(page + " links to " + link.group(1)).exists();
      }
    }
  }

  /** Without spaces: the README may indent as it likes. */
  private static String squeezed(String text) {
    return text.replaceAll("\\s+", "");
  }
}
