package io.squeeze.jobs.grid;

import io.squeeze.jobs.grid.GridPlan.Run;
import io.squeeze.jobs.run.Summary;

/**
 * How a run of a grid ended.
 *
 * @param error one sentence; null of a run that is done
 * @param summary of the evaluated split; null of a failed run
 * @param valIou of the last epoch on the held-out samples; null where there are none
 * @param epochs done
 * @param folder of the run
 */
record Outcome(Run run, String error, Summary summary, Double valIou, int epochs, String folder) {
  boolean failed() {
    return error != null;
  }
}
