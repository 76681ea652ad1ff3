package io.squeeze.track;

/** Takes the messages of trackers to the user. */
public interface UserMessages {
  void say(String sentence);

  void warn(String sentence);
}
