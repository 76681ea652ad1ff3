package io.squeeze.config;

import java.io.Serializable;
import java.util.List;
import java.util.Locale;

/**
 * How a backbone computes, and the layout of its output.
 *
 * @param precision fp32, fp16 or bf16
 * @param layout of its output
 * @param prefixTokens number of tokens before those of the grid
 * @param allowNonFinite whether weights may hold NaN or infinity
 */
public record BackboneSettings(
    String precision, Layout layout, int prefixTokens, boolean allowNonFinite)
    implements Serializable {

  /** The order of a program's output. */
  public enum Layout {
    NCHW,
    NHWC,
    TOKENS;

    /** As users write it. */
    public String text() {
      return name().toLowerCase(Locale.ROOT);
    }

    /** The shape for people. */
    public String shape(int prefix) {
      return switch (this) {
        case NCHW -> "[B, C, h, w]";
        case NHWC -> "[B, h, w, C]";
        case TOKENS -> "[B, " + prefix + " + h * h, C]";
      };
    }

    static Layout named(String text) {
      for (Layout layout : values()) {
        if (layout.text().equals(text)) {
          return layout;
        }
      }
      return NCHW; // the section says that it is none
    }
  }

  static BackboneSettings from(Section section) {
    return new BackboneSettings(
        section.oneOf("precision", List.of("fp32", "fp16", "bf16")),
        Layout.named(section.oneOf("layout", List.of("nchw", "nhwc", "tokens"))),
        section.intIn("prefix-tokens", 0, 1000),
        section.bool("allow-non-finite"));
  }
}
