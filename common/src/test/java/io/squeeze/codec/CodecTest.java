package io.squeeze.codec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.squeeze.config.Seeds;
import io.squeeze.metric.CodeUsage;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CodecTest {

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 256, 512, 1000, 65536})
  void packedCodesComeBack(int codebookSize) {
    SplittableRandom random = Seeds.random(1, "codes");
    int[] codes = random.ints(49, 0, codebookSize).toArray();
    codes[0] = codebookSize - 1;
    BitPacking packing = new BitPacking(codebookSize);
    byte[] packed = packing.pack(codes);
    assertThat(packed).hasSize((49 * BitPacking.bits(codebookSize) + 7) / 8);
    assertThat(packing.unpack(packed, 49)).isEqualTo(codes);
  }

  @Test
  void theAdvertisedRatioIsTheNominalOne() {
    long[] even = new long[512];
    Arrays.fill(even, 1);
    Compression vit = Compression.of(100, 49, 768, List.of(new CodeUsage(even)), 6000, 330_752);
    assertThat(vit.bitsPerVector()).isEqualTo(9);
    assertThat(vit.nominal()).isCloseTo(2730.67, within(0.01));
    assertThat(vit.packed()).isCloseTo(768 * 4 * 49 / 56.0, within(1e-9));
    assertThat(vit.entropy()).isCloseTo(2730.67, within(0.01));
    assertThat(vit.stored()).isCloseTo(768 * 4 * 49 * 100 / 6000.0, within(1e-9));
    assertThat(vit.amortized()).isCloseTo(768 * 4 * 49 * 100 / (5600.0 + 330_752), within(1e-9));
  }
}
