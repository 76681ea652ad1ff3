package io.squeeze.config;

import java.io.Serializable;

/** Where a run's folder goes. */
public record OutputSettings(String dir, String experimentName) implements Serializable {

  static OutputSettings from(Section section, Problems problems) {
    String name = section.text("experiment-name");
    if (name.contains("/") || name.startsWith(".") || name.startsWith("_")) {
      problems.add(
          "output.experiment-name: "
              + name
              + " holds a '/' or begins with '.' or '_', which a"
              + " folder's name must not");
    }
    return new OutputSettings(section.text("dir"), name);
  }

  /** The run's folder. */
  public String runFolder() {
    return dir + "/" + experimentName;
  }
}
