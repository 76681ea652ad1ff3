package io.squeeze.track;

import java.io.IOException;
import java.util.Map;

/**
 * The facts that a tracker gets about a run before its first epoch.
 *
 * @param project the project that the run belongs to
 * @param name name of the run in the project
 * @param parameters settings by key
 * @param epoch last epoch that is done, if the run continues; 0 for a new run
 * @param ids keeps the names that the trackers give to the run
 */
public record RunInfo(
    String project, String name, Map<String, String> parameters, int epoch, Ids ids) {

  /** Names of the run that outlive this process, by tracker. */
  public interface Ids {
    /** Null where the tracker has not seen the run. */
    String get(String tracker) throws IOException;

    void put(String tracker, String id) throws IOException;
  }
}
