package io.squeeze.codec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.squeeze.codec.Compression.Ratios;
import io.squeeze.config.Seeds;
import io.squeeze.metric.CodeUsage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CodecTest {

  /** Codes of some statistics, and what their statistics say about each level. */
  record Case(String name, int[] levels, int[] codes, List<CodeUsage> usage) {
    @Override
    public String toString() {
      return name;
    }

    BitPacking packing() {
      return new BitPacking(levels);
    }

    EntropyCoding entropy() {
      return new EntropyCoding(
          usage.stream().map(level -> EntropyCoding.frequencies(level.counts())).toList());
    }
  }

  /** Sizes, levels, widths, and distributions from uniform to one code alone. */
  static Stream<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (int[] levels :
        new int[][] {{2}, {3}, {512}, {1000}, {16384}, {256, 256, 256, 256}, {5, 1, 300}}) {
      for (int vectors : new int[] {0, 1, 49, 2809}) {
        for (double skew : new double[] {0, 1, 3, 1000}) {
          cases.add(drawn(levels, vectors, skew));
        }
      }
    }
    return cases.stream();
  }

  /** Code k with a probability of (k + 1) to the power of -skew. */
  private static Case drawn(int[] levels, int vectors, double skew) {
    String name = Arrays.toString(levels) + " x " + vectors + ", skew " + skew;
    SplittableRandom random = Seeds.random(1, name);
    int depth = levels.length;
    int[] codes = new int[vectors * depth];
    List<CodeUsage> usage = new ArrayList<>();
    for (int l = 0; l < depth; l++) {
      double[] sums = new double[levels[l]];
      for (int k = 0; k < sums.length; k++) {
        sums[k] = (k == 0 ? 0 : sums[k - 1]) + Math.pow(k + 1, -skew);
      }
      long[] counts = new long[levels[l]];
      for (int i = l; i < codes.length; i += depth) {
        int at = Arrays.binarySearch(sums, random.nextDouble() * sums[sums.length - 1]);
        codes[i] = Math.min(at < 0 ? -at - 1 : at, levels[l] - 1);
        counts[codes[i]]++;
      }
      usage.add(new CodeUsage(counts));
    }
    return new Case(name, levels, codes, usage);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void everyCodeComesBack(Case c) {
    for (CodeCodec codec : List.of(c.packing(), c.entropy())) {
      assertThat(codec.unpack(codec.pack(c.codes()), c.codes().length)).isEqualTo(c.codes());
    }
    int bits = IntStream.of(c.levels()).map(BitPacking::bits).sum();
    int vectors = c.codes().length / c.levels().length;
    assertThat(c.packing().pack(c.codes())).hasSize((vectors * bits + 7) / 8);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void entropyCodingComesNearTheEntropy(Case c) {
    int vectors = c.codes().length / c.levels().length;
    double ideal = c.usage().stream().mapToDouble(CodeUsage::entropyBits).sum() * vectors;
    // A code that never occurred has a place in the table, too: one in 16 at the most.
    double table = IntStream.of(c.levels()).mapToDouble(EntropyTable::share).sum() * vectors;
    assertThat(8.0 * c.entropy().pack(c.codes()).length).isLessThan(ideal + table + 2 + 8);
  }

  /** What rounding a level's frequencies costs at the most, in bits a code. */
  private static final class EntropyTable {
    static double share(int codes) {
      double unused = (double) codes / (1 << Math.max(16, BitPacking.bits(codes) + 4));
      return -Math.log(1 - unused) / Math.log(2) + 1e-3;
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void whatWasCutOffOrDoesNotBelongIsRefused(Case c) {
    for (CodeCodec codec : List.of(c.packing(), c.entropy())) {
      byte[] packed = codec.pack(c.codes());
      byte[] longer = Arrays.copyOf(packed, packed.length + 1);
      assertThatThrownBy(() -> codec.unpack(longer, c.codes().length))
          .hasMessageContaining("Damaged or foreign codes");
      if (packed.length > 0 && packed[packed.length - 1] != 0) {
        byte[] shorter = Arrays.copyOf(packed, packed.length - 1);
        assertThatThrownBy(() -> codec.unpack(shorter, c.codes().length))
            .hasMessageContaining("Damaged or foreign codes");
      }
      int[] foreign = new int[c.levels().length];
      foreign[0] = c.levels()[0];
      assertThatThrownBy(() -> codec.pack(foreign))
          .hasMessageContaining(
              "code " + c.levels()[0] + " of level 0 is not below " + c.levels()[0]);
    }
  }

  @Test
  void theFirstBitsOfACodeComeFirst() {
    // Anybody can unpack these: 9 bits a code, the lowest bit first.
    byte[] packed = new BitPacking(512).pack(new int[] {1, 511, 0, 256});
    assertThat(packed).isEqualTo(new byte[] {0x01, (byte) 0xFE, 0x03, 0x00, 0x08});
    assertThatThrownBy(() -> new BitPacking(300).unpack(new byte[] {(byte) 0xFF, (byte) 0x01}, 1))
        .hasMessageContaining("code 511 of level 0 is not below 300");
    assertThatThrownBy(() -> new BitPacking(512).unpack(new byte[] {(byte) 0xFF, (byte) 0x11}, 1))
        .hasMessageContaining("after the last");
  }

  @Test
  void theAdvertisedRatiosAreTheNominalOnes() {
    Compression vit = Compression.of(100, 49, 768, List.of(even(512)), 6000, 330_752, 14_000_000L);
    double floats = 768 * 4 * 49;
    assertThat(vit.bitsPerVector()).isEqualTo(9);
    Ratios ratios = vit.ratios();
    assertThat(ratios.nominal()).isCloseTo(2730.67, within(0.01));
    assertThat(ratios.packed()).isCloseTo(floats / 56, within(1e-9));
    assertThat(ratios.entropy()).isCloseTo(2730.67, within(0.01));
    assertThat(ratios.stored()).isCloseTo(floats * 100 / 6000, within(1e-9));
    assertThat(ratios.amortized()).isCloseTo(floats * 100 / (6000 + 330_752), within(1e-9));
    assertThat(vit.ratiosOfStored().stored()).isCloseTo(14_000_000 / 6000.0, within(1e-9));
    assertThat(vit.bytesPerSample().stored()).isEqualTo(60);
    assertThat(vit.bytesPerSample().packed()).isEqualTo(56);

    List<CodeUsage> four = List.of(even(256), even(256), even(256), even(256));
    assertThat(Compression.of(1, 2809, 2048, four, 1, 0, null).ratios().nominal()).isEqualTo(2048);
  }

  private static CodeUsage even(int codes) {
    long[] counts = new long[codes];
    Arrays.fill(counts, 1);
    return new CodeUsage(counts);
  }
}
