package io.squeeze.track;

/** Where trackers are heard: once each, unless they have good news. */
public interface UserMessages {
  void say(String sentence);

  void warn(String sentence);
}
