package io.squeeze.jobs.extract;

import io.squeeze.jobs.spark.Manifest.DataFile;
import java.io.Serializable;
import java.util.List;
import java.util.Locale;

/**
 * What became of one file of the plan.
 *
 * @param rejects null where there are none
 */
record Written(DataFile rows, DataFile rejects, Tally tally) implements Serializable {

  /**
   * Where the time went, in nanoseconds, and what rounding cost.
   *
   * @param images that went through the backbone
   * @param decode of all decoding threads together
   * @param waited of the forward pass, for decoding and for writing
   * @param error sum of squares of what rounding to float16 took away
   * @param norm sum of squares of the features
   */
  record Tally(
      long images, long decode, long forward, long write, long waited, double error, double norm)
      implements Serializable {
    static final Tally NOTHING = new Tally(0, 0, 0, 0, 0, 0, 0);

    private Tally plus(Tally o) {
      return new Tally(
          images + o.images,
          decode + o.decode,
          forward + o.forward,
          write + o.write,
          waited + o.waited,
          error + o.error,
          norm + o.norm);
    }

    /** The sum, in the order of the files. */
    static Tally sum(List<Written> files) {
      return files.stream().map(Written::tally).reduce(NOTHING, Tally::plus);
    }

    /** Share of the relative error that rounding leaves, as root mean square. */
    double relativeError() {
      return norm == 0 ? 0 : Math.sqrt(error / norm);
    }

    /** "decode 8 %, forward 88 %, …": decoding and writing run beside the forward pass. */
    String shares() {
      double total = Math.max(1, decode + forward + write + waited);
      return String.format(
          Locale.ROOT,
          "decode %.0f %%, forward %.0f %%, write %.0f %%, wait %.0f %% of the threads' time",
          100 * decode / total,
          100 * forward / total,
          100 * write / total,
          100 * waited / total);
    }
  }
}
