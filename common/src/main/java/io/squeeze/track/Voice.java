package io.squeeze.track;

/** Where trackers are heard: once each, unless they have good news. */
public interface Voice {
  void say(String sentence);

  void warn(String sentence);
}
