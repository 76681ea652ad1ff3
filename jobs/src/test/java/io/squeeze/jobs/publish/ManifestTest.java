package io.squeeze.jobs.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import org.junit.jupiter.api.Test;

class ManifestTest {
  /** As version 0.1.0 wrote them. */
  private static final String EMBEDDINGS =
      """
      {
        "schemaVersion" : 2, "table" : "embeddings",
        "settings" : {
          "backbone.layout" : "nchw", "backbone.name" : "mobilenet_v2_s16",
          "backbone.precision" : "fp32", "backbone.prefix-tokens" : "0",
          "backbone.sha256" : "ab12", "backbone.weights" : "",
          "data.dataset" : "oxford_pet", "data.lists" : "f00d", "extract.embedding-dtype" : "float32",
          "image.crop" : "center", "image.max-bytes" : "268435456", "image.max-pixels" : "100000000",
          "image.mean" : "[0.485, 0.456, 0.406]", "image.resize" : "256", "image.size" : "224",
          "image.std" : "[0.229, 0.224, 0.225]"
        },
        "dtype" : "float32", "root" : "/pets", "classes" : [ "pet", "background", "border" ],
        "palette" : [ 1, 2, 3 ], "columns" : [ { "name" : "breed", "type" : "STRING" } ],
        "stratum" : "breed", "splits" : [ "trainval", "test" ], "rows" : { "test" : 1, "trainval" : 2 },
        "rejected" : 0, "channels" : 96, "gridHeight" : 14, "gridWidth" : 14, "size" : 224,
        "files" : [
          { "path" : "split=test/part-000000-a-1.parquet", "bytes" : 9, "rows" : 1, "sha256" : "c0" },
          { "path" : "split=trainval/part-000000-a-0.parquet", "bytes" : 9, "rows" : 2, "sha256" : "de" }
        ]
      }
      """;

  private static final String CODES =
      """
      {
        "schemaVersion" : 2, "table" : "codes",
        "settings" : { "beam" : "1", "checkpoint.sha256" : "99", "codec" : "packed",
                       "input" : "/t: v by id, 2 rows" },
        "dtype" : "float32", "root" : "/t", "classes" : [ ], "palette" : [ ], "columns" : [ ],
        "stratum" : "", "splits" : [ "all" ], "rows" : { "all" : 2 }, "rejected" : 0, "channels" : 4,
        "gridHeight" : 1, "gridWidth" : 1, "size" : 1,
        "coding" : { "codec" : "packed", "levels" : [ 16, 16 ], "frequencies" : [ ] },
        "files" : [
          { "path" : "_quantizer.ckpt", "bytes" : 9, "rows" : 0, "sha256" : "aa" },
          { "path" : "codebook/part-000000.parquet", "bytes" : 9, "rows" : 32, "sha256" : "cb" },
          { "path" : "codes/split=all/part-0.parquet", "bytes" : 9, "rows" : 2, "sha256" : "cc" }
        ]
      }
      """;

  @Test
  void embeddingsOfTheFirstReleaseAreReadWithWhatTheyLeaveUnsaid() {
    Manifest manifest = Manifest.parse(EMBEDDINGS, "E/v1/_manifest.json");
    assertThat(manifest.files()).extracting(DataFile::split).containsExactly("test", "trainval");
    assertThat(manifest.backbone().sha256()).isEqualTo("ab12");
    assertThat(manifest.dataset()).isEqualTo("oxford_pet");
    PhotoPreparation then = manifest.preparation();
    assertThat(then.colourProfiles()).isEqualTo("applied");
    assertThat(then.decode()).isEqualTo("full");
    PhotoPreparation now = PhotoPreparation.of(Settings.defaults().image());
    assertThat(now.colourProfiles()).isEqualTo("ignored");
    assertThat(manifest.differences(now.settings()))
        .contains("image.colour-profiles: is applied, asked for ignored");
    assertThat(Manifest.parse(manifest.json(), "again")).isEqualTo(manifest);
  }

  @Test
  void codesOfATableAreReadToo() {
    Manifest manifest = Manifest.parse(CODES, "O/v1/_manifest.json");
    assertThat(manifest.coding().codec()).isEqualTo("packed");
    assertThat(manifest.files().get(0).split()).isEmpty();
    assertThat(manifest.backbone().sha256()).isNull();
    assertThat(manifest.dataset()).isNull();
    assertThat(manifest.samples()).isEqualTo(2);
  }

  @Test
  void preparationSurvivesItsSettings() {
    PhotoPreparation asked =
        PhotoPreparation.of(Settings.defaults().with("image.decode", "scaled").image());
    assertThat(PhotoPreparation.of(asked.settings())).isEqualTo(asked);
    assertThat(asked.decode()).isEqualTo("scaled");
  }

  @Test
  void anotherSchemaIsSaid() {
    assertThatThrownBy(
            () ->
                Manifest.parse(
                    CODES.replace("\"schemaVersion\" : 2", "\"schemaVersion\" : 9"), "M"))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("M was written by schema version 9, this program reads 2");
  }
}
