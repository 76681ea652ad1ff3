package io.squeeze.jobs.doctor;

import java.util.Locale;

/**
 * One line of the doctor's table.
 *
 * @param place driver, or an executor and its host
 * @param what was looked at
 * @param found what is there, and what mends it where that is wrong
 */
public record Check(String place, String what, Verdict verdict, String found) {
  /** Well; worth a look; or a reason for jobs to fail. */
  public enum Verdict {
    OK,
    WARNING,
    FAILED
  }

  static Check ok(String place, String what, String found) {
    return new Check(place, what, Verdict.OK, found);
  }

  static Check warning(String place, String what, String found) {
    return new Check(place, what, Verdict.WARNING, found);
  }

  static Check failed(String place, String what, String found) {
    return new Check(place, what, Verdict.FAILED, found);
  }

  String line() {
    String mark = verdict == Verdict.OK ? "ok" : verdict.name();
    return String.format(Locale.ROOT, "%-8s %-24s %-12s %s", mark, place, what, found);
  }
}
