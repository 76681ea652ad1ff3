package io.squeeze.config;

import java.io.Serializable;

/** How many samples are drawn, and where the pictures go. */
public record VisualizeSettings(
    String dir, int best, int worst, int changed, int random, boolean outlines, int maxRows)
    implements Serializable {

  static VisualizeSettings from(Section section) {
    return new VisualizeSettings(
        section.text("dir"),
        section.intIn("best", 0, Integer.MAX_VALUE),
        section.intIn("worst", 0, Integer.MAX_VALUE),
        section.intIn("changed", 0, Integer.MAX_VALUE),
        section.intIn("random", 0, Integer.MAX_VALUE),
        section.bool("outlines"),
        section.intIn("max-rows", 1, 200));
  }
}
