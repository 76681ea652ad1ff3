package io.squeeze.track;

import java.io.IOException;
import java.util.Map;

/**
 * What a tracker is told of a run before its first epoch.
 *
 * @param project that the run belongs to
 * @param name of the run in it
 * @param parameters settings by key
 * @param epoch already done, where the run is gone on with; 0 of a new one
 * @param ids where the trackers remember what they call the run
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
