package io.squeeze.jobs.grid;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.codec.Compression.Ratios;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.grid.GridPlan.Run;
import io.squeeze.jobs.run.Summary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;

class GridPlanTest {
  private static List<String> names(String text) {
    return GridPlan.parse(text, "my.conf").runs().stream().map(Run::name).toList();
  }

  @Test
  void productsComeInAnOrderOfTheirOwnWithoutWhatIsExcluded() {
    String text =
        """
        grid {
          seed = [1, 2]
          train.lr = [1e-3, 1e-4]
          quantizer { type = [vq, fsq], fsq.levels = [[8, 5], [7, 5, 5]] }
        }
        exclude = [
          { quantizer.type = vq, quantizer.fsq.levels = [[8, 5]] }
          { train.lr = 1e-4, seed = [2, 3] }
        ]
        """;
    assertThat(names(text))
        .containsExactly(
            "vq_levels-7,5,5_lr-0.001_seed-1",
            "vq_levels-7,5,5_lr-0.001_seed-2",
            "vq_levels-7,5,5_lr-1.0E-4_seed-1",
            "fsq_levels-8,5_lr-0.001_seed-1",
            "fsq_levels-8,5_lr-0.001_seed-2",
            "fsq_levels-8,5_lr-1.0E-4_seed-1",
            "fsq_levels-7,5,5_lr-0.001_seed-1",
            "fsq_levels-7,5,5_lr-0.001_seed-2",
            "fsq_levels-7,5,5_lr-1.0E-4_seed-1");
    Run last = GridPlan.parse(text, "my.conf").runs().get(8);
    assertThat(last.configuration()).isEqualTo("fsq_levels-7,5,5_lr-1.0E-4");
    Settings settings = Settings.defaults().with(last.config());
    assertThat(settings.quantizer().finite().fsqLevels()).containsExactly(7, 5, 5);
    assertThat(settings.train().optimizer().lr()).isEqualTo(1e-4);
  }

  @Test
  void blocksFollowEachOtherAndASampleIsTheSameEveryTime() {
    String blocks =
        """
        grid = [
          { quantizer.type = vq, quantizer.codebook-size = [64, 128] }
          { quantizer.type = rvq, quantizer.num-quantizers = [2, 4, 8] }
        ]
        """;
    List<String> all = names(blocks);
    assertThat(all)
        .containsExactly(
            "vq_codebook-size-64",
            "vq_codebook-size-128",
            "rvq_num-quantizers-2",
            "rvq_num-quantizers-4",
            "rvq_num-quantizers-8");
    List<String> drawn = names(blocks + "sample = 3");
    assertThat(drawn).hasSize(3).isSubsetOf(all).isEqualTo(names(blocks + "sample = 3"));
    assertThat(Stream.of(1, 2, 3, 4).map(s -> names(blocks + "sample = 3, sample-seed = " + s)))
        .doesNotHaveDuplicates()
        .hasSizeGreaterThan(1);
  }

  @Test
  void whatIsWrongIsSaid() {
    assertThatThrownBy(() -> names("gird { seed = [1] }"))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("Invalid grid my.conf (--grid): gird: unknown key, there are base");
    assertThatThrownBy(() -> names("base { seed = 1 }")).hasMessageContaining("it has no grid");
    assertThatThrownBy(() -> names("grid { seed = [1] }, exclude = [{ train.lr = 1 }]"))
        .hasMessageContaining("exclude names train.lr, which the grid does not vary");
    assertThatThrownBy(() -> names("grid { seed = [1] }, exclude = [{ seed = 1 }]"))
        .hasMessageContaining("no run is left");
    assertThatThrownBy(() -> names("grid { image.size = [128, 224] }"))
        .hasMessageContaining("image.size cannot vary, since runs share one extraction");
    assertThatThrownBy(() -> names("grid { seed = [1 }")).hasMessageContaining("my.conf");
  }

  private static Outcome done(String type, long seed, double miou, double bits) {
    Run run =
        GridPlan.parse("grid { quantizer.type = " + type + ", seed = " + seed + " }", "g")
            .runs()
            .get(0);
    Ratios ratios = new Ratios(3072 / bits, 1.0, 1.0, 1.0, 1.0);
    Summary summary =
        new Summary(
            9, miou, Map.of(), miou, 0.9, 0, 0, 0, bits, ratios, null, null, null, null, null, null,
            null);
    return new Outcome(run, null, Measured.of(summary, miou - 0.1), 10, "folder");
  }

  @Test
  void seedsBecomeOneRowRankedByItsMeanAndTheFrontIsMarked() {
    List<Outcome> outcomes = new ArrayList<>();
    outcomes.add(done("lfq", 1, 0.5, 9));
    outcomes.add(done("vq", 1, 0.6, 9));
    outcomes.add(done("vq", 2, 0.7, 9));
    outcomes.add(done("none", 1, 0.8, 3072));
    outcomes.add(done("rvq", 1, 0.64, 32));
    outcomes.add(Outcome.failed(outcomes.get(4).run(), "it broke", "folder"));
    List<Result> results = Result.of(outcomes, Measured.PHOTOS.ranked());
    assertThat(results.stream().map(Result::configuration))
        .containsExactly("none", "vq", "rvq", "lfq");
    assertThat(results.stream().map(Result::front)).containsExactly(true, true, false, false);
    Result vq = results.get(1);
    assertThat(vq.runs()).isEqualTo(2);
    assertThat(vq.mean("miou")).isCloseTo(0.65, Assertions.within(1e-12));
    assertThat(vq.deviation()).isCloseTo(Math.sqrt(0.005), Assertions.within(1e-12));
    assertThat(vq.mean("val_iou")).isCloseTo(0.55, Assertions.within(1e-12));
    assertThat(results.get(2).failed()).isEqualTo(1);
    assertThat(results.get(3).deviation()).isNaN();
  }

  private static Outcome lost(String type, double error, double bits) {
    Run run = GridPlan.parse("grid { quantizer.type = " + type + " }", "g").runs().get(0);
    return new Outcome(run, null, Map.of("error_share", error, Measured.BITS, bits), 1, "folder");
  }

  @Test
  void ofTablesTheLeastErrorIsTheBest() {
    List<Outcome> outcomes = new ArrayList<>();
    outcomes.add(lost("vq", 0.4, 8));
    outcomes.add(lost("pq", 0.3, 32));
    outcomes.add(lost("rvq", 0.2, 32));
    outcomes.add(Outcome.failed(outcomes.get(2).run(), "it broke", "folder"));
    List<Result> results = Result.of(outcomes, Measured.VECTORS.ranked());
    assertThat(results.stream().map(Result::configuration)).containsExactly("rvq", "pq", "vq");
    assertThat(results.stream().map(Result::front)).containsExactly(true, false, true);
    assertThat(results.get(0).failed()).isEqualTo(1);
  }

  @Test
  void theExamplesAreGrids() throws IOException {
    try (Stream<Path> files = Files.list(Path.of("../conf/grids"))) {
      List<Path> all = files.toList();
      assertThat(all).hasSizeGreaterThan(3);
      for (Path file : all) {
        GridPlan plan = GridPlan.parse(Files.readString(file), file.toString());
        for (Run run : plan.runs()) {
          Settings settings = Settings.defaults().with(plan.base()).with(run.config());
          assertThat(settings.quantizer().type()).isNotEmpty();
        }
      }
    }
  }
}
