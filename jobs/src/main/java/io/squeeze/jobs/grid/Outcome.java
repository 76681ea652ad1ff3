package io.squeeze.jobs.grid;

import io.squeeze.jobs.grid.GridPlan.Run;
import java.util.Map;

/**
 * How a run of a grid ended.
 *
 * @param error one sentence; null of a run that is done
 * @param values by the names of {@link Measured}, null or left out where there is none; empty of a
 *     failed run
 * @param epochs done
 * @param folder of the run
 */
record Outcome(Run run, String error, Map<String, Double> values, int epochs, String folder) {

  static Outcome failed(Run run, String error, String folder) {
    return new Outcome(run, error, Map.of(), 0, folder);
  }

  boolean failed() {
    return error != null;
  }

  /** A value; NaN where there is none. */
  double value(String name) {
    Double value = values.get(name);
    return value == null ? Double.NaN : value;
  }
}
