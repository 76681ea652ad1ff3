package io.squeeze.jobs.extract;

import io.squeeze.jobs.extract.FileResult.Tally;
import java.util.Locale;

/** Says what limited the speed of an extraction, and which setting helps. */
final class Limits {
  private static final String MORE_READERS = "more --read_threads read more files at a time";

  private Limits() {}

  /**
   * One sentence.
   *
   * @param seconds that the tasks took, on the clock
   */
  static String of(Tally tally, double seconds) {
    if (tally.images() == 0 || seconds <= 0) {
      return "nothing was computed";
    }
    return tally.threads() == 0 ? inTurns(tally, seconds) : beside(tally, seconds);
  }

  /** Tasks that read, decode, compute and write in turns: what takes most of that time limits. */
  private static String inTurns(Tally tally, double seconds) {
    double busy = tally.read() + tally.decode() + tally.forward() + tally.write();
    double cores = busy / 1e9 / seconds;
    long most =
        Math.max(Math.max(tally.read(), tally.decode()), Math.max(tally.forward(), tally.write()));
    String what =
        most == tally.decode()
            ? "decoding"
            : most == tally.forward()
                ? "the backbone"
                : most == tally.read() ? "reading" : "writing";
    String help =
        switch (what) {
          case "decoding" -> fasterDecoding(tally);
          case "the backbone" -> "more cores, or a GPU, compute more";
          case "reading" -> MORE_READERS;
          default -> "more executors write side by side";
        };
    return String.format(
        Locale.ROOT,
        "%s limits: reading %.0f %%, decoding %.0f %%, backbone %.0f %%, writing %.0f %% of %.1f"
            + " cores; they could only decode %,.0f photos/s, or only compute %,.0f; %s",
        what,
        100 * tally.read() / busy,
        100 * tally.decode() / busy,
        100 * tally.forward() / busy,
        100 * tally.write() / busy,
        cores,
        rate(tally.images(), tally.decode(), cores),
        rate(tally.images(), tally.forward(), cores),
        help);
  }

  /** Tasks whose device computes while threads decode. */
  private static String beside(Tally tally, double seconds) {
    double tasks = Math.max(1e-9, (tally.forward() + tally.waited()) / 1e9 / seconds);
    double threads = tasks * tally.threads();
    double fed = rate(tally.images(), tally.read() + tally.decode(), threads);
    boolean reading = tally.read() > tally.decode();
    double device = rate(tally.images(), tally.forward(), tasks);
    return String.format(
        Locale.ROOT,
        "%s: %.0f threads feed %,.0f photos/s, the device could take %,.0f; %s",
        fed >= device ? "the backbone limits" : reading ? "reading limits" : "decoding limits",
        threads,
        fed,
        device,
        fed >= device
            ? "fewer --decode_threads are enough"
            : reading
                ? MORE_READERS
                : "more executor cores with more --decode_threads, or " + fasterDecoding(tally));
  }

  private static double rate(long images, long nanos, double workers) {
    return images * workers * 1e9 / Math.max(1, nanos);
  }

  private static String fasterDecoding(Tally tally) {
    String scaled = "--decode scaled takes large JPEGs faster";
    return tally.turbo() < tally.images()
        ? "libjpeg-turbo (Debian's libturbojpeg0) on every executor decodes JPEG faster, and "
            + scaled
        : scaled;
  }

  /** Which decoder of JPEG worked. */
  static String decoder(Tally tally) {
    return tally.turbo() == 0
        ? "JPEG decoded in Java"
        : tally.turbo() == tally.images()
            ? "JPEG decoded by libjpeg-turbo"
            : "JPEG decoded by libjpeg-turbo on some executors, in Java on others";
  }
}
