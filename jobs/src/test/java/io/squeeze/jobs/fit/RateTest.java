package io.squeeze.jobs.fit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import org.junit.jupiter.api.Test;

/** What bytes come to for each type. */
class RateTest {

  private static QuantizerSettings spent(String type, String bytes) {
    return Rate.spent(
            Settings.defaults().with("quantizer.type", type).with("quantizer.bytes", bytes))
        .quantizer();
  }

  @Test
  void levelsPartsAndCodesAreThoseThatTheBytesPayFor() {
    assertThat(spent("rvq", "4").levelSizes(7)).containsExactly(256, 256, 256, 256);
    assertThat(spent("rvq", "2.5").levelSizes(7)).containsExactly(256, 256, 16);
    assertThat(spent("rvq", "0.5").levelSizes(7)).containsExactly(16);
    assertThat(spent("vq", "1.5").codebookSize(7)).isEqualTo(4096);
    assertThat(spent("pq", "16").numQuantizers()).isEqualTo(16);
    assertThat(spent("pq", "16").codebookSize(7)).isEqualTo(256);
    // 20 bits in three parts: 6 bits each.
    assertThat(spent("pq", "2.5").numQuantizers()).isEqualTo(3);
    assertThat(spent("pq", "2.5").codebookSize(7)).isEqualTo(64);
  }

  @Test
  void aTypeWithoutThatRateIsRefusedInOneSentence() {
    assertThatThrownBy(() -> spent("vq", "4"))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("16 bits at the most; 4.0 bytes are 32 (--bytes): take rvq");
    assertThatThrownBy(() -> spent("fsq", "4"))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("--bytes is for vq, rvq, pq, scalar and auto, not for fsq");
  }
}
