package io.squeeze.jobs.fit;

import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What a number of bytes a vector comes to for each type of quantizer. */
final class Rate {
  /** Codes of a level of rvq, and of a part of pq, where the settings do not say. */
  private static final int CODES = 256;

  /** Bits of the largest codebook that k-means finds in reasonable time. */
  private static final int MOST_BITS = 16;

  private Rate() {}

  /** Bits of a vector's codes that the settings ask for; those of four bytes if they do not. */
  static double bits(QuantizerSettings settings) {
    return settings.bytes() == null ? 8.0 * settings.numQuantizers() : 8 * settings.bytes();
  }

  /** Bits of a vector with a code of each of these levels. */
  static double bits(int[] levels) {
    return Arrays.stream(levels).mapToDouble(codes -> Math.log(codes) / Math.log(2)).sum();
  }

  /**
   * The settings with the levels and codes that the bytes pay for; as they are where no bytes are
   * asked for.
   *
   * @throws SqueezeException of category configuration if the type has no such rate
   */
  static Settings spent(Settings run) {
    QuantizerSettings settings = run.quantizer();
    if (settings.bytes() == null) {
      return run;
    }
    int bits = (int) Math.floor(bits(settings) + 1e-9);
    return switch (settings.type()) {
      case "rvq" -> levels(run, bits);
      case "pq" -> parts(run, bits);
      case "vq" -> oneCode(run, bits);
      case "scalar" -> run;
      default ->
          throw SqueezeException.configuration(
              "--bytes is for vq, rvq, pq, scalar and auto, not for " + settings.type());
    };
  }

  private static int bitsOfCode(QuantizerSettings settings) {
    return 31 - Integer.numberOfLeadingZeros(settings.codebookSize(CODES));
  }

  /** Full levels, and one of what is left. */
  private static Settings levels(Settings run, int bits) {
    int each = bitsOfCode(run.quantizer());
    List<Integer> sizes = new ArrayList<>();
    for (int left = bits; left > 0; left -= each) {
      sizes.add(1 << Math.min(each, left));
    }
    return run.with("quantizer.codebook-size", sizes);
  }

  private static Settings parts(Settings run, int bits) {
    int each = bitsOfCode(run.quantizer());
    int parts = (bits + each - 1) / each;
    return run.with("quantizer.num-quantizers", Integer.toString(parts))
        .with("quantizer.codebook-size", Integer.toString(1 << (bits / parts)));
  }

  private static Settings oneCode(Settings run, int bits) {
    if (bits > MOST_BITS) {
      throw SqueezeException.configuration(
          "vq has one code a vector, of %d bits at the most; %s bytes are %d (--bytes): take rvq"
              .formatted(MOST_BITS, run.quantizer().bytes(), bits));
    }
    return run.with("quantizer.codebook-size", Integer.toString(1 << bits));
  }
}
