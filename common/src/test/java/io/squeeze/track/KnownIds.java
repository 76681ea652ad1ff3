package io.squeeze.track;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Remembers as a run's folder does. */
final class KnownIds implements RunInfo.Ids {
  final Map<String, String> known = new ConcurrentHashMap<>();

  @Override
  public String get(String tracker) {
    return known.get(tracker);
  }

  @Override
  public void put(String tracker, String id) {
    known.put(tracker, id);
  }
}
