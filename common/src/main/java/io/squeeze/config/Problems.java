package io.squeeze.config;

import java.util.ArrayList;
import java.util.List;

/** Collects what is wrong with a configuration, so that a user mends it all at once. */
public final class Problems {
  private final List<String> sentences = new ArrayList<>();

  public void add(String sentence) {
    sentences.add(sentence);
  }

  public boolean isEmpty() {
    return sentences.isEmpty();
  }

  /**
   * Throws what was collected as one configuration error; returns if there is nothing.
   *
   * @throws SqueezeException of category configuration
   */
  public void throwIfAny() {
    if (sentences.isEmpty()) {
      return;
    }
    String noun = sentences.size() == 1 ? "1 problem" : sentences.size() + " problems";
    throw SqueezeException.configuration(
        "Invalid configuration (" + noun + "): " + String.join("; ", sentences));
  }
}
