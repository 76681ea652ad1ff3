package io.squeeze.track;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** What a user would have read. */
final class Heard implements UserMessages {
  final List<String> said = new CopyOnWriteArrayList<>();
  final List<String> warned = new CopyOnWriteArrayList<>();

  @Override
  public void say(String sentence) {
    said.add(sentence);
  }

  @Override
  public void warn(String sentence) {
    warned.add(sentence);
  }
}
